// FM_KERNEL, which marks hot loops, for the files of this room.
#ifndef FM_NN_CLONES_H
#define FM_NN_CLONES_H

#include "base/clones.h"

#endif
