/* fuzz.h - what a fuzz target is: one function of bytes that must come back, whatever they are. libFuzzer calls it
 * (`./dev fuzz NAME`), and so does replay.c over the kept corpora (`./dev test fuzz`), which needs no clang. */
#ifndef GANLUA_FUZZ_H
#define GANLUA_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* 0; -1 where the bytes are not worth keeping. A finding traps, or is seen by a sanitizer. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
