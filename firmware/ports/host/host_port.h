#ifndef HOST_PORT_H
#define HOST_PORT_H

/* The descriptors that the link reads and writes; may be the same. */
void intrs_port_use(int in, int out);

#endif
