/* SPDX-License-Identifier: MIT */
/* The filters of this folder. cmd/registry.c has them in the order in which a request meets them:
 * those that judge see it as it was recorded, those that change it come after. */
#pragma once

#include "lib/filter.h"

extern const struct filter_ops filter_allow_header;
extern const struct filter_ops filter_allow_method;
extern const struct filter_ops filter_allow_url;
extern const struct filter_ops filter_basic_auth;
extern const struct filter_ops filter_disallow_header;
extern const struct filter_ops filter_disallow_url;
extern const struct filter_ops filter_header_limiter;
extern const struct filter_ops filter_if;
extern const struct filter_ops filter_param_limiter;
extern const struct filter_ops filter_prettify;
extern const struct filter_ops filter_redact;
extern const struct filter_ops filter_rewrite_header;
extern const struct filter_ops filter_rewrite_url;
extern const struct filter_ops filter_safe_methods;
extern const struct filter_ops filter_set_header;
extern const struct filter_ops filter_set_param;
