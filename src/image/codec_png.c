// PNG by libpng. The only file that includes png.h. What libpng allocates and what we allocate
// hangs on a struct in the outer function's frame, so that a longjmp out of libpng loses nothing.
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"
#include "image/orientation.h"

enum { CODEC_PNG_CHUNK_BYTES_MAX = 8 * 1024 * 1024, CODEC_PNG_CHUNKS_MAX = 1024 };

typedef struct codec_png {
  const fm_codec_input *input;
  size_t position;
  png_structp png;
  png_infop info;
  int orientation;
  char message[128];
} codec_png;

static void codec_png_on_error(png_structp png, png_const_charp message) {
  codec_png *codec = png_get_error_ptr(png);
  snprintf(codec->message, sizeof codec->message, "%s", message);
  png_longjmp(png, 1);
}

static void codec_png_on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void codec_png_on_read(png_structp png, png_bytep out, size_t size) {
  codec_png *codec = png_get_io_ptr(png);
  if (size > codec->input->size - codec->position)
    png_error(png, "the file is truncated");
  memcpy(out, codec->input->data + codec->position, size);
  codec->position += size;
}

// Asks libpng for 8-bit RGB: palette and gray are expanded, 16 bits keep their high byte, alpha is
// dropped.
static void codec_png_want_rgb(codec_png *codec) {
  int color = png_get_color_type(codec->png, codec->info);
  png_set_strip_16(codec->png);
  if (color == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(codec->png);
  if (color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA) {
    png_set_expand_gray_1_2_4_to_8(codec->png);
    png_set_gray_to_rgb(codec->png);
  }
  png_set_strip_alpha(codec->png);
}

static void codec_png_read_header(codec_png *codec) {
  // Texts and colour profiles are compressed and of no use here: not even looked at.
  static const png_byte ignored[] = "iCCP\0zTXt\0iTXt\0tEXt";
  png_structp png = codec->png;
  png_set_read_fn(png, codec, codec_png_on_read);
  png_set_user_limits(png, FM_IMAGE_SIDE_MAX, FM_IMAGE_SIDE_MAX);
  png_set_chunk_cache_max(png, CODEC_PNG_CHUNKS_MAX);
  png_set_chunk_malloc_max(png, CODEC_PNG_CHUNK_BYTES_MAX);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, ignored, 4);
  png_read_info(png, codec->info);
  png_uint_32 size = 0;
  png_bytep exif = NULL;
  if (png_get_eXIf_1(png, codec->info, &size, &exif))
    codec->orientation = fm_orientation_of_exif(exif, size);
}

static fm_status codec_png_read(codec_png *codec, fm_image *out) {
  if (setjmp(png_jmpbuf(codec->png)))
    return fm_fail(FM_ERR_FORMAT, "%s: %s", codec->input->name, codec->message);
  codec_png_read_header(codec);
  png_structp png = codec->png;
  png_uint_32 width = png_get_image_width(png, codec->info);
  png_uint_32 height = png_get_image_height(png, codec->info);
  FM_TRY(fm_codec_check_size(width, height, codec->input->name));
  if (codec->input->header_only) {
    *out = (fm_image){.width = (int)width, .height = (int)height};
    return FM_OK;
  }
  codec_png_want_rgb(codec);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, codec->info);
  size_t row_bytes = (size_t)width * 3;
  if (png_get_rowbytes(png, codec->info) != row_bytes)
    png_error(png, "a colour type that is not known");
  FM_TRY(fm_image_new(out, (int)width, (int)height));
  for (int pass = 0; pass < passes; pass++)
    for (size_t y = 0; y < height; y++)
      png_read_row(png, out->pixels + y * row_bytes, NULL);
  png_read_end(png, NULL);
  return FM_OK;
}

fm_status fm_png_decode(fm_image *out, int *orientation, const fm_codec_input *input) {
  codec_png codec = {.input = input, .orientation = FM_UPRIGHT};
  codec.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec, codec_png_on_error,
                                     codec_png_on_warning);
  FM_CHECK_ALLOC(codec.png);
  codec.info = png_create_info_struct(codec.png);
  fm_status status = codec.info ? codec_png_read(&codec, out)
                                : fm_fail(FM_ERR_MEMORY, "%s: out of memory", input->name);
  png_destroy_read_struct(&codec.png, &codec.info, NULL);
  *orientation = codec.orientation;
  if (status < 0)
    fm_image_release(out);
  return status;
}

static void codec_png_on_write(png_structp png, png_bytep data, size_t size) {
  if (fwrite(data, 1, size, png_get_io_ptr(png)) != size)
    png_error(png, "writing failed");
}

static void codec_png_on_flush(png_structp png) {
  (void)png; // the atomic file flushes when it is committed
}

static fm_status codec_png_write(codec_png *codec, const fm_image *image, FILE *stream) {
  if (setjmp(png_jmpbuf(codec->png)))
    return fm_fail(FM_ERR_IO, "%s: %s", codec->input->name, codec->message);
  png_structp png = codec->png;
  png_set_write_fn(png, stream, codec_png_on_write, codec_png_on_flush);
  png_set_user_limits(png, FM_IMAGE_SIDE_MAX, FM_IMAGE_SIDE_MAX);
  png_set_IHDR(png, codec->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
               PNG_FILTER_TYPE_BASE);
  // On photographs a sixth of the time that zlib's usual level with a filter chosen for each row
  // takes, for a seventh more bytes.
  png_set_compression_level(png, 1);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_PAETH);
  png_write_info(png, codec->info);
  for (size_t y = 0; y < (size_t)image->height; y++)
    png_write_row(png, image->pixels + y * (size_t)image->width * 3);
  png_write_end(png, codec->info);
  return FM_OK;
}

fm_status fm_png_encode(const fm_image *image, FILE *stream, const char *name) {
  fm_codec_input input = {.name = name};
  codec_png codec = {.input = &input};
  codec.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &codec, codec_png_on_error,
                                      codec_png_on_warning);
  FM_CHECK_ALLOC(codec.png);
  codec.info = png_create_info_struct(codec.png);
  fm_status status = codec.info ? codec_png_write(&codec, image, stream)
                                : fm_fail(FM_ERR_MEMORY, "%s: out of memory", name);
  png_destroy_write_struct(&codec.png, &codec.info);
  return status;
}
