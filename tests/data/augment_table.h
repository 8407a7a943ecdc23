// The tables of docs/augmentation.md, from the transforms' own tables.
#ifndef FM_TESTS_DATA_AUGMENT_TABLE_H
#define FM_TESTS_DATA_AUGMENT_TABLE_H

#include <stdio.h>

// "| `name` | `parameter` | default | range | meaning |" for every parameter of every transform.
void augment_table_write(FILE *out);

#endif
