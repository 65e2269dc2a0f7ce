/* What Python's `os` does not have. */

#ifdef __linux__
#define _GNU_SOURCE
#include <unistd.h>
#endif

#include "bigdata.h"

/* syncfs waits for all of a file system at once: one commit of its journal, where thousands of
 * small files would take one each. */
int32_t bd_sync_file_system(int32_t descriptor)
{
#ifdef __linux__
    return syncfs(descriptor);
#else
    (void)descriptor;
    return -1;
#endif
}
