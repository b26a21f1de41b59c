/* SPDX-License-Identifier: MIT */
/* The floor of writing a recording: so many bytes in blocks of 1 MiB.
 * usage: write_loop FILE BYTES */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (1 << 20)

int main(int argc, char **argv)
{
    static char block[BLOCK];
    if (argc < 3) {
        fprintf(stderr, "usage: write_loop FILE BYTES\n");
        return 2;
    }
    uint64_t left = strtoull(argv[2], NULL, 10);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    memset(block, 'x', sizeof(block));
    while (fd != -1 && left > 0) {
        ssize_t n = write(fd, block, left < BLOCK ? left : BLOCK);
        if (n < 0)
            break;
        left -= (uint64_t)n;
    }
    if (fd == -1 || left > 0 || close(fd) != 0) {
        perror("write_loop");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
