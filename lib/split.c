/* SPDX-License-Identifier: MIT */
#include "lib/split.h"

#include <math.h>
#include <string.h>

#include "lib/hash.h"

void split_init(struct split *split, const struct key *by, uint64_t seed)
{
    split->by = *by;
    split->seed = seed;
    split->n = 0;
}

void split_add(struct split *split, size_t output, double weight, const char *name)
{
    assert(split->n < SPLIT_MAX && weight > 0);
    uint64_t hash = hash64(name, strlen(name), split->seed);
    /* a second output of the same name must not choose just as the first does */
    for (size_t i = 0; i < split->n; i++)
        if (split->parts[i].name == hash)
            hash = hash_mix(hash, i + 1);
    split->parts[split->n++] =
        (struct split_part){.output = output, .weight = weight, .name = hash};
}

void split_set_weight(struct split *split, size_t output, double weight)
{
    assert(weight >= 0);
    for (size_t i = 0; i < split->n; i++)
        if (split->parts[i].output == output)
            split->parts[i].weight = weight;
}

static bool is_candidate(const struct split_part *part, uint64_t candidates)
{
    return part->weight > 0 && (candidates >> part->output & 1);
}

static double total_weight(const struct split *split, uint64_t candidates)
{
    double total = 0;
    for (size_t i = 0; i < split->n; i++)
        if (is_candidate(&split->parts[i], candidates))
            total += split->parts[i].weight;
    return total;
}

double split_share(const struct split *split, size_t i)
{
    return split->parts[i].weight / total_weight(split, UINT64_MAX);
}

/* Each gains its share of one request, and whoever has most is served: no part is ever more than
 * one request away from its share. */
static struct split_part *by_turns(struct split *split, uint64_t candidates)
{
    double total = total_weight(split, candidates);
    struct split_part *best = NULL;
    for (size_t i = 0; i < split->n; i++) {
        struct split_part *part = &split->parts[i];
        if (!is_candidate(part, candidates))
            continue;
        part->credit += part->weight / total;
        if (!best || part->credit > best->credit + 1e-9)
            best = part;
    }
    if (best)
        best->credit -= 1;
    return best;
}

/* The highest of -weight / ln(u) wins, where u is a number in (0, 1) made from value and part. */
static struct split_part *by_key(struct split *split, uint64_t value, uint64_t candidates)
{
    struct split_part *best = NULL;
    double best_score = 0;
    for (size_t i = 0; i < split->n; i++) {
        struct split_part *part = &split->parts[i];
        if (!is_candidate(part, candidates))
            continue;
        double u = ldexp((double)(hash_mix(value, part->name) >> 11) + 0.5, -53);
        double score = -part->weight / log(u);
        if (!best || score > best_score) {
            best = part;
            best_score = score;
        }
    }
    return best;
}

size_t split_choose(struct split *split, const struct msg *msg, uint64_t candidates)
{
    struct split_part *best =
        split->by.kind == KEY_NONE
            ? by_turns(split, candidates)
            : by_key(split, key_hash(&split->by, msg, split->seed), candidates);
    return best ? best->output : SPLIT_MAX;
}
