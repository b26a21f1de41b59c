/* SPDX-License-Identifier: MIT */
#include "cmd/registry.h"

#include "capture/inputs.h"
#include "config.h"
#include "filters/filters.h"
#include "outputs/outputs.h"

const struct input_ops *const registry_inputs[] = {
    &input_dummy, &input_raw, &input_tcp, &input_file, NULL,
};

const struct output_ops *const registry_outputs[] = {
    &output_stdout, &output_null, &output_tcp, &output_file,
#if HAVE_HTTP
    &output_http,
#endif
    NULL,
};

const struct filter_ops *const registry_filters[] = {
    &filter_redact,
    &filter_allow_method,
    &filter_allow_url,
    &filter_disallow_url,
    &filter_if,
    &filter_set_header,
    NULL,
};

size_t registry_n_filters(void)
{
    return ARRAY_LEN(registry_filters) - 1;
}
