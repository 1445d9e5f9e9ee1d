/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtos_task.c - a certification in a task of its own, which can be stopped and which lets others run.
 *
 * Start certify_task() with the lowest priority and a struct certify_job of its own; any number may run at once. Its
 * stack needs the bound that `generate` prints, and what your two functions below take.
 */
#include "intrs.h"

/* What is needed of the RTOS.            FreeRTOS                      Zephyr */
void rtos_yield(void);              /*   taskYIELD();                  k_yield();                */
void rtos_done(void *waiting_task); /*   xTaskNotifyGive(task);        k_sem_give(semaphore);    */

struct certify_job {
    /* in */
    const uint8_t *image;
    struct intrs_stream stream;
    uint32_t mode;
    void *waiting_task;
    volatile int stop; /* another task sets it to give up */
    /* out, when rtos_done() was called */
    int status; /* INTRS_OK, or INTRS_E_ABORTED when it was stopped */
    struct intrs_certificate certificate;
    volatile uint32_t done, total; /* samples, while it runs */
    /* memory that no other task may use meanwhile */
    struct intrs_workspace workspace;
};

void certify_task(void *argument);

/* after every inference */
static int between(void *context, uint32_t done, uint32_t total)
{
    struct certify_job *job = (struct certify_job *)context;
    job->done = done;
    job->total = total;
    rtos_yield();
    return job->stop;
}

void certify_task(void *argument)
{
    struct certify_job *job = (struct certify_job *)argument;
    job->status = intrs_certify(&job->workspace, job->image, &job->stream, job->mode, between, job, &job->certificate);
    rtos_done(job->waiting_task);
}
