/* A disk that forgets what was not synced. Preloaded into a writer: each fsync or fdatasync of a file under
 * SHIM_LIVE copies it to SHIM_DISK/<inode>, and one of a directory writes its names and inodes to SHIM_DISK/names.
 * What a power loss leaves is then: the names as last synced, each with its content as last synced. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void replace(const char *name, const char *temporary) {
    char target[PATH_MAX];
    snprintf(target, sizeof target, "%s/%s", getenv("SHIM_DISK"), name);
    if (rename(temporary, target) != 0) abort();
}

static void record(int fd) {
    const char *live = getenv("SHIM_LIVE"), *disk = getenv("SHIM_DISK");
    char link[64], path[PATH_MAX], temporary[PATH_MAX], name[64];
    struct stat status;
    if (!live || !disk || fstat(fd, &status) != 0) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    if (strncmp(path, live, strlen(live)) != 0) return;
    snprintf(temporary, sizeof temporary, "%s/temporary", disk);
    if (S_ISDIR(status.st_mode)) {
        FILE *out = fopen(temporary, "w");
        DIR *directory = opendir(path);
        struct dirent *entry;
        if (!out || !directory) abort();
        while ((entry = readdir(directory)))
            if (entry->d_type == DT_REG) fprintf(out, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
        closedir(directory);
        fclose(out);
        replace("names", temporary);
        return;
    }
    int from = open(path, O_RDONLY), to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char buffer[65536];
    ssize_t got;
    if (from < 0 || to < 0) abort();
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, got) != got) abort();
    close(from);
    close(to);
    snprintf(name, sizeof name, "%lu", (unsigned long)status.st_ino);
    replace(name, temporary);
}

int fsync(int fd) {
    record(fd);
    return 0;
}

int fdatasync(int fd) {
    record(fd);
    return 0;
}
