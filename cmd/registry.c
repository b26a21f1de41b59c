/* SPDX-License-Identifier: MIT */
#include "cmd/registry.h"

#include "capture/inputs.h"
#include "config.h"
#include "filters/filters.h"
#include "outputs/outputs.h"

const struct input_ops *const registry_inputs[] = {
    &input_dummy, &input_raw, &input_tcp, &input_file,
#if HAVE_KAFKA
    &input_kafka,
#endif
    NULL,
};

const struct output_ops *const registry_outputs[] = {
    &output_stdout,  &output_null,
    &output_tcp,
#if HAVE_HTTP
    &output_ws,
#endif
    &output_file,
#if HAVE_HTTP
    &output_http,    &output_baseline,
    &output_elastic,
#endif
#if HAVE_KAFKA
    &output_kafka,
#endif
    &output_binary,  NULL,
};

const struct filter_ops *const registry_filters[] = {
    &filter_redact,
    /* judges */
    &filter_safe_methods,
    &filter_allow_method,
    &filter_allow_url,
    &filter_disallow_url,
    &filter_allow_header,
    &filter_disallow_header,
    &filter_basic_auth,
    &filter_header_limiter,
    &filter_param_limiter,
    &filter_if,
    /* rewriters, in gor's order */
    &filter_set_header,
    &filter_set_param,
    &filter_rewrite_url,
    &filter_rewrite_header,
    &filter_prettify,
    NULL,
};

size_t registry_n_filters(void)
{
    return ARRAY_LEN(registry_filters) - 1;
}

size_t registry_filters_of(unsigned stages, const struct filter_ops *out[REGISTRY_FILTERS_MAX])
{
    static_assert(ARRAY_LEN(registry_filters) <= REGISTRY_FILTERS_MAX, "all have room");
    size_t n = 0;
    for (size_t i = 0; i < registry_n_filters(); i++)
        if (stages >> registry_filters[i]->stage & 1)
            out[n++] = registry_filters[i];
    return n;
}
