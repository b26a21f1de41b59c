/* SPDX-License-Identifier: MIT */
/* Where documents go: the address of --output-http-elasticsearch, taken apart. */
#pragma once

#include "lib/base.h"
#include "lib/err.h"

/* All are to be freed by elastic_url_fini(). */
struct elastic_url {
    char *bulk; /* the URL that bulks are posted to, without user information */
    char *user, *password; /* NULL: none */
    char *shown; /* for people: without user information */
};

/* "[http[s]://][user[:password]@]host[:port][/path]/index"; the port is 9200 when none is given, as
 * gor has it. password: "" or one that is given elsewhere. 0, or a negative errno with err, which
 * shows no password. */
MUST_CHECK int elastic_url_parse(struct elastic_url *url, const char *address, const char *password,
                                 struct err *err);
/* Also after a failed parse. */
void elastic_url_fini(struct elastic_url *url);
