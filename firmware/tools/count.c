/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count.c - a QEMU TCG plugin (API version 1, QEMU 6.0 and later): instructions executed by every call of one function.
 *
 *   -plugin count.so,out=FILE,entry=0xADDR[,within=0xLO-0xHI]
 *
 * entry   address of the function to count. A call lasts from its first instruction until the instruction after the
 * call runs.
 * within  a caller below it (the generated intrs_model_run): each instruction is charged to the call site in that range
 * that
 *         was left last, which gives one figure per layer without touching the firmware.
 *
 * FILE gets, per call: "call INSTRUCTIONS", and at the end "site ADDR CALLEE EXECUTIONS INSTRUCTIONS" and "block ADDR
 * INSTRUCTIONS" lines, all calls together. The figures are the same in every run: nothing here depends on time.
 *
 * The declarations below are those of qemu-plugin.h, written out because distributions do not package that header.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int, void *), int flags,
                                          void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* A translated block. Blocks are kept for ever: QEMU may translate the same address again, with another length. */
struct block {
    uint64_t first, end; /* addresses */
    uint64_t insns;
    uint64_t executions; /* inside counted calls */
    uint64_t callee, site_executions, site_insns;
    bool within;
    struct block *next;
};

static struct block *blocks;
static struct block *site;
static FILE *out;
static uint64_t entry, low, high;
static uint64_t previous_end, return_to;
static uint64_t total;
static bool running;

static void execute(unsigned int cpu, void *data)
{
    struct block *b = data;
    if (cpu != 0) {
        return;
    }
    if (!running && b->first == entry) {
        /* a call ends its block, so the block that ran before ended where this call returns to */
        running = true;
        return_to = previous_end;
        total = 0;
        site = NULL;
    } else if (running && b->first == return_to) {
        running = false;
        fprintf(out, "call %llu\n", (unsigned long long)total);
        fflush(out);
    }
    previous_end = b->end;
    if (!running) {
        return;
    }
    total += b->insns;
    b->executions++;
    if (b->within) {
        site = b;
        site->site_executions++;
    } else if (site != NULL && site->callee == 0) {
        site->callee = b->first;
    }
    if (site != NULL) {
        site->site_insns += b->insns;
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    struct block *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        abort();
    }
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
    b->first = qemu_plugin_tb_vaddr(tb);
    b->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    b->insns = n;
    b->within = b->first >= low && b->first < high;
    b->next = blocks;
    blocks = b;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, execute, 0, b);
}

static void finish(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    for (struct block *b = blocks; b != NULL; b = b->next) {
        if (b->site_executions != 0) {
            fprintf(out, "site %llu %llu %llu %llu\n", (unsigned long long)b->first, (unsigned long long)b->callee,
                    (unsigned long long)b->site_executions, (unsigned long long)b->site_insns);
        }
        if (b->executions != 0) {
            fprintf(out, "block %llu %llu\n", (unsigned long long)b->first,
                    (unsigned long long)(b->executions * b->insns));
        }
    }
    fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                                               char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        char *end;
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        } else if (strncmp(argv[i], "entry=", 6) == 0) {
            entry = strtoull(argv[i] + 6, NULL, 16);
        } else if (strncmp(argv[i], "within=", 7) == 0) {
            low = strtoull(argv[i] + 7, &end, 16);
            high = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
        } else {
            fprintf(stderr, "count: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (out == NULL || entry == 0) {
        fprintf(stderr, "count: out=FILE (writable) and entry=0xADDR are needed\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
