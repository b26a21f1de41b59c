/* SPDX-License-Identifier: MIT */
/* The fast way is that of "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Gopal and others, Intel 2009): 64 bytes at a time are folded onto the next 64, by
 * two carry-less multiplications for each 16, and what is left at the end is reduced. The constants
 * are powers of x modulo the polynomial, bits reversed, from the paper's table. */
#include "lib/crc.h"

#include <zlib.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Below this there is nothing to fold. */
#define FOLD_MIN 16
#define FOLDING __attribute__((target("pclmul,sse4.1")))

FOLDING static inline __m128i load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* x moved on by the distance that the two powers in k stand for, and what lies there. */
FOLDING static inline __m128i fold(__m128i x, __m128i k, __m128i there)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

/* 128 bits to 32: by x^64, by x^32, and Barrett's reduction. */
FOLDING static uint32_t reduce(__m128i x, __m128i k3k4)
{
    const __m128i low32 = _mm_setr_epi32(~0, 0, ~0, 0), k5 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, k3k4, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low32), k5, 0x00));
    __m128i t = _mm_clmulepi64_si128(_mm_and_si128(x, low32), poly, 0x10);
    t = _mm_clmulepi64_si128(_mm_and_si128(t, low32), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, t), 1);
}

/* n: a multiple of 16, FOLD_MIN at least. crc: inverted, as is what is returned. */
FOLDING static uint32_t fold_all(uint32_t crc, const uint8_t *p, size_t n)
{
    const __m128i k1k2 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i k3k4 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i x = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc));
    p += 16;
    n -= 16;
    if (n >= 48) { /* four at a time, side by side */
        __m128i y[3];
        for (size_t i = 0; i < 3; i++)
            y[i] = load(p + 16 * i);
        for (p += 48, n -= 48; n >= 64; p += 64, n -= 64) {
            x = fold(x, k1k2, load(p));
            for (size_t i = 0; i < 3; i++)
                y[i] = fold(y[i], k1k2, load(p + 16 + 16 * i));
        }
        for (size_t i = 0; i < 3; i++)
            x = fold(x, k3k4, y[i]);
    }
    for (; n >= 16; p += 16, n -= 16)
        x = fold(x, k3k4, load(p));
    return reduce(x, k3k4);
}

static bool can_fold(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
#define FOLD_MIN SIZE_MAX

static uint32_t fold_all(uint32_t crc, const uint8_t *p, size_t n)
{
    return (uint32_t)crc32_z(crc, p, n);
}

static bool can_fold(void)
{
    return false;
}
#endif

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (n >= FOLD_MIN && can_fold()) {
        size_t whole = n - n % 16;
        crc = ~fold_all(~crc, p, whole);
        p += whole;
        n -= whole;
    }
    return n > 0 ? (uint32_t)crc32_z(crc, p, n) : crc;
}
