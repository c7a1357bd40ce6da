#include "vision/image_runner.h"

#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

#include "base/error.h"
#include "core/short_floats.h"
#include "vision/image/image_file.h"

namespace halftone {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadAhead = 16;  ///< pictures prepared at a time

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The first row of a batch as a batch of one.
TensorView first_row(const TensorView& tensor, int64_t batch, const std::string& name) {
  if (batch <= 1) return tensor;
  if (tensor.shape.rank() == 0 || tensor.shape[0] != batch)
    throw UnsupportedError("output \"{}\": {} is not one row a picture", name, tensor.shape.str());
  TensorView row = tensor;
  row.shape[0] = 1;
  return row;
}

Tensor as_f32(const TensorView& tensor) {
  Tensor wide = Tensor::allocate(DType::f32, tensor.shape);
  load_floats(tensor, 0, wide.mutable_view().span<float>());
  return wide;
}

}  // namespace

PreparedImage prepare_image(const std::string& path, const Preprocess& preprocess, ThreadPool& threads,
                            bool keep_original) {
  Image image = read_image(path);
  FittedImage fitted = fit_image(image, preprocess, path, threads);
  PreparedImage prepared;
  prepared.path = path;
  prepared.width = image.width;
  prepared.height = image.height;
  prepared.placement = fitted.placement;
  const Shape shape{1, preprocess.channel_count(), fitted.image.height, fitted.image.width};
  prepared.pixels = Tensor::allocate(DType::f32, shape);
  normalize_pixels(fitted.image, preprocess, prepared.pixels.mutable_view().span<float>());
  if (preprocess.dtype != DType::f32) {
    const Tensor numbers = std::exchange(prepared.pixels, Tensor::allocate(preprocess.dtype, shape));
    store_floats(numbers.span<float>(), prepared.pixels.mutable_view(), 0);
  }
  if (keep_original) prepared.original = std::move(image);
  return prepared;
}

ImageRunner::ImageRunner(std::shared_ptr<const Plan> plan, const Preprocess& preprocess, ThreadPool& threads)
    : plan_(std::move(plan)),
      preprocess_(preprocess),
      threads_(threads),
      session_(plan_, threads),
      input_(image_input(plan_->graph())) {}

std::vector<PreparedImage> ImageRunner::prepare(std::span<const std::string> paths) {
  std::vector<PreparedImage> images(paths.size());
  if (paths.size() == 1 && !broken_) {
    images[0] = prepare_image(paths[0], preprocess_, threads_, keep_originals_);
    return images;
  }
  std::vector<std::exception_ptr> errors(paths.size());
  threads_.parallel_for(static_cast<int64_t>(paths.size()), 1, [&](int64_t begin, int64_t end) {
    ThreadPool alone(1);  // a body must not call the pool that runs it
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        images[i] = prepare_image(paths[i], preprocess_, alone, keep_originals_);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  std::vector<PreparedImage> whole;
  for (size_t i = 0; i < images.size(); ++i) {
    try {
      if (errors[i]) std::rethrow_exception(errors[i]);
      whole.push_back(std::move(images[i]));
    } catch (const Error& error) {
      if (!broken_) throw;
      broken_(error.what());
    }
  }
  return whole;
}

void ImageRunner::run_one(const PreparedImage& image, const Seen& seen) {
  const auto start = Clock::now();
  TensorView pixels = image.pixels.view();
  const int64_t batch = std::max<int64_t>(1, input_.batch);
  if (batch > 1) {
    Shape shape = pixels.shape;
    shape[0] = batch;
    if (batch_.empty() || !(batch_.shape() == shape)) batch_ = Tensor::zeros(pixels.dtype, shape);
    std::memcpy(batch_.mutable_view().data, pixels.data, pixels.size_bytes());
    pixels = batch_.view();
  }
  session_.run({{input_.name, pixels}});
  running_seconds_ += seconds_since(start);

  std::vector<TensorView> outputs;
  std::vector<Tensor> widened;
  for (const std::string& name : graph().output_names()) {
    const TensorView output = first_row(session_.output(name), batch, name);
    if (is_short_float(output.dtype)) widened.push_back(as_f32(output));
    outputs.push_back(is_short_float(output.dtype) ? widened.back().view() : output);
  }
  seen(image, outputs);
}

void ImageRunner::run(std::span<const std::string> paths, const Seen& seen) {
  for (size_t at = 0; at < paths.size(); at += kReadAhead) {
    const auto start = Clock::now();
    const auto chunk = prepare(paths.subspan(at, std::min(kReadAhead, paths.size() - at)));
    preparing_seconds_ += seconds_since(start);
    for (const PreparedImage& image : chunk) run_one(image, seen);
  }
}

}  // namespace halftone
