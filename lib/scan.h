/* SPDX-License-Identifier: MIT */
/* Finding the next byte that matters, many bytes at a time. Nothing outside what it is
 * given is read. */
#pragma once

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base.h"

#ifndef __SSE2__
#define SCAN_ONES UINT64_C(0x0101010101010101)

/* The top bit of each byte of x that is zero; bits above the lowest one may be wrong. */
static inline uint64_t scan_zeros(uint64_t x)
{
    return (x - SCAN_ONES) & ~x & (SCAN_ONES << 7);
}
#endif

#ifdef __SSE2__
/* A bit for each of the 16 bytes at p that scan() looks for. */
static inline unsigned scan_16(const uint8_t *p, uint8_t below, uint8_t a, uint8_t b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hit = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8((char)(below - 1))), x);
    if (a >= below)
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8((char)a)));
    if (b >= below && b != a)
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8((char)b)));
    return (unsigned)_mm_movemask_epi8(hit);
}
#endif

/* The first byte in [p, end) that is less than below (1-127), or equal to a or b; end when there is
 * none. The three are constants, so that each caller gets a loop of its own. begin <= p: what lies
 * between may be read as well, so that the last few bytes need not be looked at one by one. */
static inline const uint8_t *scan(const uint8_t *begin, const uint8_t *p, const uint8_t *end,
                                  uint8_t below, uint8_t a, uint8_t b)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned hits = scan_16(p, below, a, b);
        if (hits != 0)
            return p + __builtin_ctz(hits);
    }
    if (likely(end - begin >= 16)) {
        unsigned hits = scan_16(end - 16, below, a, b) >> (16 - (end - p));
        return hits != 0 ? p + __builtin_ctz(hits) : end;
    }
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)begin;
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, sizeof(x));
        uint64_t hit = (x - SCAN_ONES * below) & ~x & (SCAN_ONES << 7);
        hit |= scan_zeros(x ^ SCAN_ONES * a) | scan_zeros(x ^ SCAN_ONES * b);
        if (hit != 0)
            return p + __builtin_ctzll(hit) / 8;
    }
#endif
    while (p < end && *p >= below && *p != a && *p != b)
        p++;
    return p;
}
