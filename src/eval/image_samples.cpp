#include "eval/image_samples.h"

#include "base/error.h"
#include "vision/image_runner.h"

namespace halftone {

ImageSamples::ImageSamples(std::vector<std::string> paths, const Preprocess& preprocess,
                           const ImageInput& input)
    : paths_(std::move(paths)), preprocess_(preprocess), input_(input.name) {
  if (input.batch > 1)
    throw UnsupportedError("input \"{}\" takes {} pictures at a time; samples are one picture each",
                           input.name, input.batch);
}

std::map<std::string, Tensor> ImageSamples::sample(int index) const {
  ThreadPool alone(1);  // whoever asks may be on a thread of a pool
  return {{input_, prepare_image(paths_[static_cast<size_t>(index)], preprocess_, alone).pixels}};
}

}  // namespace halftone
