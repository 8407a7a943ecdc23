// Damaged annotations.
#include <stdlib.h>
#include <string.h>

#include "data/voc.h"
#include "fuzz.h"

static void run(const uint8_t *data, size_t size) {
  fm_voc voc;
  fm_status status = fm_voc_parse(&voc, data, size, "fuzz");
  fuzz_require(status == FM_OK || (voc.objects == NULL && voc.object_count == 0),
               "objects only from a parsed file");
  for (size_t i = 0; i < voc.object_count; i++)
    fuzz_require(voc.objects[i].name && *voc.objects[i].name, "every object has a name");
  fuzz_require(voc.width >= 0 && voc.height >= 0, "sizes are not negative");
  fm_voc_release(&voc);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"voc", 50000, NULL, run};
  static const char plain[] =
      "<annotation><folder>images</folder><filename>a.png</filename><size><width>512</width>"
      "<height>366</height><depth>3</depth></size><object><name>with_mask</name><bndbox>"
      "<xmin>79</xmin><ymin>105</ymin><xmax>109</xmax><ymax>142</ymax></bndbox></object>"
      "</annotation>";
  static const char entities[] =
      "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!DOCTYPE annotation [<!ENTITY a \"b\">]>"
      "<annotation><!-- c --><filename>&a;&#65;&lt;</filename><![CDATA[x]]></annotation>";
  fuzz_input seeds[] = {fuzz_copy(plain, sizeof plain - 1),
                        fuzz_copy(entities, sizeof entities - 1)};
  return fuzz_main(&target, seeds, 2, argc, argv);
}
