/* What the sketch asks of Arduino's core: enough to run it on this computer. */
#ifndef ARDUINO_H
#define ARDUINO_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct SerialPort {
    void begin(unsigned long) {}
    void print(const char *text) { printf("%s", text); }
    void print(long value) { printf("%ld", value); }
    void println(const char *text) { printf("%s\n", text); }
    void println(unsigned long value) { printf("%lu\n", value); }
};
static SerialPort Serial;

void setup();
void loop();

int main()
{
    setup();
    for (int i = 0; i < 1000; i++) loop();
    return 0;
}
#endif
