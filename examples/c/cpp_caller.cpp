/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpp_caller.cpp - the library from C++17, without exceptions and run-time types: a class that owns the memory, results
 * by value.
 *
 *   c++ -fno-exceptions -fno-rtti -Iinclude -Ihost examples/cpp_caller.cpp build/libintrs.a -o cpp_caller
 */
#include <stdio.h>

#include "intrs.h"

class Certifier {
public:
    explicit Certifier(uint64_t seed) : seed_(seed) {}
    Certifier(const Certifier &) = delete;
    Certifier &operator=(const Certifier &) = delete;

    /* Certifies the next image; every image has its own noise. Returns an enum intrs_status. */
    int certify(const uint8_t (&image)[INTRS_IMAGE_BYTES], intrs_certificate &out)
    {
        const intrs_stream stream = {seed_, next_++};
        return intrs_certify(&workspace_, image, &stream, INTRS_FIXED, &Certifier::progress, this, &out);
    }

    /* From an interrupt or another thread's flag: ends certify() with INTRS_E_ABORTED at the next inference. */
    void stop() { stop_ = true; }
    uint32_t done() const { return done_; }

private:
    static int progress(void *self, uint32_t done, uint32_t)
    {
        Certifier &c = *static_cast<Certifier *>(self);
        c.done_ = done;
        return c.stop_ ? 1 : 0;
    }

    intrs_workspace workspace_;
    uint64_t seed_;
    uint32_t next_ = 0;
    volatile uint32_t done_ = 0;
    volatile bool stop_ = false;
};

static Certifier certifier(1); /* static: it holds the workspace */
static uint8_t image[INTRS_IMAGE_BYTES];

int main()
{
    for (uint32_t i = 0; i < INTRS_IMAGE_BYTES; i++) {
        image[i] = static_cast<uint8_t>(i);
    }
    intrs_certificate certificate;
    const int status = certifier.certify(image, certificate);
    if (status != INTRS_OK) {
        printf("failed with %d\n", status);
        return 1;
    }
    printf("class %ld, squared radius %lu, %lu of %lu samples\n", static_cast<long>(certificate.label),
           static_cast<unsigned long>(certificate.radius_squared), static_cast<unsigned long>(certificate.count),
           static_cast<unsigned long>(certificate.samples));
    return 0;
}
