// Finds faces in a PNG file.
//   cc detect_faces.c -o detect_faces $(pkg-config --cflags --libs facemask libpng)
//   ./detect_faces DETECTOR.safetensors [CLASSIFIER.safetensors] PICTURE.png
#include <facemask.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc < 3)
    return fprintf(stderr, "usage: detect_faces WEIGHTS... PICTURE.png\n"), 2;
  const char *path = argv[argc - 1];
  png_image png = {.version = PNG_IMAGE_VERSION};
  png_image_begin_read_from_file(&png, path);
  png.format = PNG_FORMAT_RGB;
  unsigned char *rgb = malloc(PNG_IMAGE_SIZE(png));
  if (!rgb || !png_image_finish_read(&png, NULL, rgb, 0, NULL))
    return fprintf(stderr, "%s: %s\n", path, png.message), 1;

  const facemask_picture picture = {.rgb = rgb, (int)png.width, (int)png.height};
  facemask_model *model;
  facemask_face *faces;
  size_t count;
  if (facemask_open_files(&model, (const char *const *)argv + 1, (size_t)argc - 2, NULL) < 0 ||
      facemask_detect(model, &picture, &faces, &count) < 0)
    return fprintf(stderr, "%s\n", facemask_error_message()), 1;
  for (size_t i = 0; i < count; ++i)
    printf("%s %.3f: %.1f %.1f %.1f %.1f\n", facemask_class_name(model, faces[i].label),
           faces[i].score, faces[i].x1, faces[i].y1, faces[i].x2, faces[i].y2);
  facemask_free_faces(faces);
  facemask_close(model);
  free(rgb);
  return 0;
}
