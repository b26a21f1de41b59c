/* SPDX-License-Identifier: MIT */
/* Finding the next byte that matters, many bytes at a time. Nothing outside what it is
 * given is read. */
#pragma once

#include <string.h>
#if defined(__SSE2__) && !defined(SCAN_PLAIN) /* tests compare the two ways */
#define SCAN_SSE2
#include <emmintrin.h>
#endif

#include "lib/base.h"

#ifndef SCAN_SSE2
#define SCAN_ONES UINT64_C(0x0101010101010101)

/* The top bit of each byte of x that is zero; bits above the lowest one may be wrong. */
static inline uint64_t scan_zeros(uint64_t x)
{
    return (x - SCAN_ONES) & ~x & (SCAN_ONES << 7);
}

/* A bit for each byte of x that is less than 0x20, the first byte's first: of such a byte the upper
 * three bits are clear, and the product gathers what is left of each into the top byte. */
static inline uint64_t scan_controls_8(uint64_t x)
{
    x &= SCAN_ONES * 0xe0;
    uint64_t set = ((x & SCAN_ONES * 0x7f) + SCAN_ONES * 0x7f) | x; /* the top bit of each */
    return (~set >> 7 & SCAN_ONES) * UINT64_C(0x0102040810204080) >> 56;
}
#endif

#ifdef SCAN_SSE2
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
#ifdef SCAN_SSE2
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

/* A bit for each of the 64 bytes at p that is less than 0x20: a control. */
static inline uint64_t scan_controls(const uint8_t *p)
{
    uint64_t marks = 0;
#ifdef SCAN_SSE2
    for (unsigned i = 0; i < 64; i += 16)
        marks |= (uint64_t)scan_16(p + i, 0x20, 0, 0) << i;
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof(x));
        marks |= scan_controls_8(x) << i;
    }
#else
    for (unsigned i = 0; i < 64; i++)
        marks |= (uint64_t)(p[i] < 0x20) << i;
#endif
    return marks;
}

/* The controls in a row of bytes, in their order. Looks at 64 bytes at a time, so that it is asked
 * for the ends of many short lines at the price of one look at all of them. */
struct scan_lines {
    const uint8_t *begin, *end; /* what may be read */
    const uint8_t *at; /* of the 64 bytes (fewer at the end) that were looked at last */
    uint64_t marks; /* controls among these that were not passed yet */
};

/* Looks at p <= l->end and what follows. */
static inline void scan_lines_load(struct scan_lines *l, const uint8_t *p)
{
    size_t left = (size_t)(l->end - p);
    uint8_t few[64];
    l->at = p;
    if (likely(left >= 64)) {
        l->marks = scan_controls(p);
    } else if (left == 0) {
        l->marks = 0;
    } else if (likely(l->end - l->begin >= 64)) {
        l->marks = scan_controls(l->end - 64) >> (64 - left);
    } else {
        memset(few, 0xff, sizeof(few));
        memcpy(few, p, left);
        l->marks = scan_controls(few);
    }
}

/* The first control at p or behind it, or l->end. p is not before l->at. */
static inline const uint8_t *scan_lines_next(struct scan_lines *l, const uint8_t *p)
{
    size_t passed = (size_t)(p - l->at);
    if (likely(passed < 64))
        l->marks &= ~UINT64_C(0) << passed;
    else
        scan_lines_load(l, p);
    while (l->marks == 0) {
        if (l->end - l->at <= 64)
            return l->end;
        scan_lines_load(l, l->at + 64);
    }
    return l->at + __builtin_ctzll(l->marks);
}
