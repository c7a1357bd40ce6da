#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <png.h>

#include "base/error.h"
#include "vision/image/codecs.h"

namespace halftone {
namespace {

constexpr size_t kMaxChunk = size_t{64} << 20;  ///< of what is no picture: text, profiles

/// What the callbacks of one decoder see. libpng reports an error by a call that must not return.
struct Source {
  std::span<const std::byte> bytes;
  size_t at = 0;
  std::jmp_buf jump;
  char message[200] = "";
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof(source->message), "%s", message);
  std::longjmp(source->jump, 1);
}

void ignore_warning(png_structp /*png*/, png_const_charp /*message*/) {}

void read_bytes(png_structp png, png_bytep to, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->bytes.size() - source->at) png_error(png, "the file ends too early");
  std::memcpy(to, source->bytes.data() + source->at, size);
  source->at += size;
}

/// Runs `work`, which calls libpng and owns nothing; false when libpng jumped out of it.
template <class Work>
bool guarded(Source& source, const Work& work) {
  if (setjmp(source.jump)) return false;
  work();
  return true;
}

struct Decoder {
  png_structp png;
  png_infop info;

  explicit Decoder(Source& source)
      : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, fail, ignore_warning)),
        info(png ? png_create_info_struct(png) : nullptr) {
    if (!info) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw ResourceError("no memory for a PNG decoder");
    }
    png_set_read_fn(png, &source, read_bytes);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_image_size() is the limit
    png_set_chunk_malloc_max(png, kMaxChunk);
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

void ask_for_rgb8(png_structp png) {
  png_set_strip_16(png);
  png_set_expand(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
}

}  // namespace

Image decode_png(const EncodedImage& encoded) {
  Source source;
  source.bytes = encoded.bytes;
  const Decoder decoder(source);
  auto broken = [&] { return InputError("{}: broken PNG: {}", encoded.source, source.message); };
  if (!guarded(source, [&] { png_read_info(decoder.png, decoder.info); })) throw broken();
  check_image_size(encoded, png_get_image_width(decoder.png, decoder.info),
                   png_get_image_height(decoder.png, decoder.info));

  Image image(static_cast<int>(png_get_image_width(decoder.png, decoder.info)),
              static_cast<int>(png_get_image_height(decoder.png, decoder.info)));
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y) rows.push_back(image.row(y));
  const bool body = guarded(source, [&] {
    ask_for_rgb8(decoder.png);
    png_read_update_info(decoder.png, decoder.info);
    if (png_get_rowbytes(decoder.png, decoder.info) != image.row_bytes())
      png_error(decoder.png, "a kind of pixels that does not convert to RGB");
    png_read_image(decoder.png, rows.data());
  });
  if (!body) throw broken();
  return image;
}

std::string encode_png(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
  png_alloc_size_t size = file.size();
  if (!png_image_write_to_memory(&png, file.data(), &size, 0, image.pixels.data(), 0, nullptr))
    throw ResourceError("PNG of {} x {} pixels: {}", image.width, image.height, png.message);
  file.resize(size);
  return file;
}

}  // namespace halftone
