/* build_id.h -- the name of this build, compiled into each library; the build gives it (-DGLIMPSE_BUILD_ID='"..."').
 * Used by loader.c, which refuses a session of another build, and by glimpse_version. */
#ifndef GLIMPSE_PLUGIN_BUILD_ID_H
#define GLIMPSE_PLUGIN_BUILD_ID_H

#ifndef GLIMPSE_BUILD_ID
#define GLIMPSE_BUILD_ID "unnamed"
#endif

#endif
