/* Runs a target over the files of a folder: replay FOLDER */
#include "fuzz/target.h"
#include "support/check.h"

#include <dirent.h>

int main(int argc, char **argv)
{
    enum { ROOM = 1 << 20 };
    static uint8_t bytes[ROOM];
    int count = 0;
    CHECK(argc == 2, "a folder is to be named");
    DIR *folder = opendir(argv[1]);
    CHECK(folder, "%s cannot be read", argv[1]);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        size_t size = fread(bytes, 1, ROOM, file);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
        count++;
    }
    closedir(folder);
    CHECK(count > 0, "%s holds no files", argv[1]);
    printf("replay: %d inputs\n", count);
    return 0;
}
