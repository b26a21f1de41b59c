/* SPDX-License-Identifier: MIT */
/* What a node of Elasticsearch or OpenSearch says about a bulk of documents. Pure. */
#pragma once

#include "lib/base.h"
#include "lib/span.h"

enum elastic_fate {
    ELASTIC_STORED = 0,
    ELASTIC_AGAIN = 1, /* not now: it has no room, or not all its parts are there */
    ELASTIC_REFUSED = 2, /* nor later */
};

/* What a status means, of a whole answer or of one document. */
enum elastic_fate elastic_fate_of(int64_t status);

/* The first fault among the documents: the node's name for it, which holds nothing of theirs. */
struct elastic_fault {
    int status; /* 0: there is none */
    char type[64]; /* "mapper_parsing_exception"; "" when it is not told */
};

/* Reads the answer to a bulk of n documents; fates has room for them. 0, or -EBADMSG: it is not
 * such an answer, and fates and fault hold anything. */
MUST_CHECK int elastic_answer_read(struct span bytes, size_t n, enum elastic_fate *fates,
                                   struct elastic_fault *fault);
