/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_port.h - where the host's port finds its line.
 */
#ifndef HOST_PORT_H
#define HOST_PORT_H

/* The descriptors that the link reads and writes; may be the same. */
void intrs_port_use(int in, int out);

#endif
