/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files, or all files of folders, instead of libFuzzer. Prints TAP-free
 * plain text; fails when a file cannot be read or when none was given. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    uint8_t *data = NULL;
    size_t len = 0, cap = 0, n;
    do {
        if (len == cap) {
            cap = cap ? cap * 2 : 65536;
            uint8_t *bigger = realloc(data, cap);
            if (!bigger)
                abort();
            data = bigger;
        }
        n = fread(data + len, 1, cap - len, file);
        len += n;
    } while (n > 0);
    int failed = ferror(file);
    fclose(file);
    if (!failed) {
        /* a block of exactly the input's size, so that the sanitizer sees a read beyond its end */
        uint8_t *exact = malloc(len ? len : 1);
        if (!exact)
            abort();
        memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
    }
    free(data);
    return failed ? -1 : 1;
}

static int run_path(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return run_file(path);
    int count = 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char child[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
        int r = run_file(child);
        if (r < 0) {
            count = -1;
            break;
        }
        count += r;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int r = run_path(argv[i]);
        if (r < 0)
            return EXIT_FAILURE;
        total += r;
    }
    printf("%d inputs ran\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
