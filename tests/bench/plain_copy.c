/* SPDX-License-Identifier: MIT */
/* What a relay hop is measured against: the bytes of a file over one TCP connection on the
 * loopback, by plain write(2) and read(2) of big blocks, without looking at them. The file is in
 * memory before the clock starts. Prints the CPU nanoseconds (user and system) of the writer and of
 * the reader.
 *
 * usage: plain_copy FILE */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK ((size_t)256 * 1024) /* as much as refrain reads at once */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == -1)
        die("getrusage");
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

static size_t load(const char *path, uint8_t **data)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || fstat(fd, &st) == -1)
        die(path);
    size_t len = (size_t)st.st_size;
    *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (*data == MAP_FAILED)
        die("mmap");
    close(fd);
    return len;
}

static void write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len < BLOCK ? len : BLOCK);
        if (n == -1)
            die("write");
        data += n;
        len -= (size_t)n;
    }
}

/* The reader, in a process of its own: reads to the end and tells what it cost. */
static void read_all(int listener, int tell, size_t len)
{
    static uint8_t block[BLOCK];
    int fd = accept(listener, NULL, NULL);
    if (fd == -1)
        die("accept");
    memset(block, 1, sizeof(block)); /* its pages are there */
    int64_t start_ns = cpu_ns();
    size_t got = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0)
        got += (size_t)n;
    int64_t took_ns = cpu_ns() - start_ns;
    if (n == -1 || got != len || write(tell, &took_ns, sizeof(took_ns)) != sizeof(took_ns))
        die("read");
    exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof(address);
    int told[2], status;
    int64_t reader_ns;
    uint8_t *data;
    if (argc != 2) {
        fprintf(stderr, "usage: plain_copy FILE\n");
        return 2;
    }
    size_t len = load(argv[1], &data);
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, address_len) == -1 ||
        listen(listener, 1) == -1 ||
        getsockname(listener, (struct sockaddr *)&address, &address_len) == -1 || pipe(told) == -1)
        die("listen");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close(fd); /* or its end would not be the connection's */
        read_all(listener, told[1], len);
    }
    if (connect(fd, (struct sockaddr *)&address, address_len) == -1)
        die("connect");
    int64_t start_ns = cpu_ns();
    write_all(fd, data, len);
    close(fd);
    int64_t writer_ns = cpu_ns() - start_ns;
    if (waitpid(child, &status, 0) == -1 || status != 0)
        return 1;
    if (read(told[0], &reader_ns, sizeof(reader_ns)) != sizeof(reader_ns))
        die("pipe");
    printf("%lld %lld\n", (long long)writer_ns, (long long)reader_ns);
    return 0;
}
