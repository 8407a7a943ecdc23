// What the tests of this room share: temporary folders, and where the real data is.
#ifndef FM_TESTS_DATA_SUPPORT_H
#define FM_TESTS_DATA_SUPPORT_H

#include <stddef.h>

// A new folder below the system's temporary one; the caller removes and frees it with
// support_folder_remove.
char *support_folder_make(void);
void support_folder_remove(char *path);
// Writes a file, making its folders.
void support_write(const char *folder, const char *name, const void *data, size_t size);
void support_write_text(const char *folder, const char *name, const char *text);
// The path of shared data ("kaggle-train", "../golden/explore_853.json"): below $FACEMASK_DATA, or
// ../shared/data beside the repository. Heap; NULL when it is not there.
char *support_shared(const char *name);
// The path of a file of the repository. Heap.
char *support_source(const char *name);

#endif
