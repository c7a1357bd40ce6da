#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/session.h"
#include "vision/vision_model.h"

namespace halftone {

/// A picture as the model sees it.
struct PreparedImage {
  std::string path;
  Image original;  ///< empty unless asked for
  int width = 0;   ///< of the original
  int height = 0;
  Placement placement;
  Tensor pixels;  ///< [1, channels, height, width] of the type that the model takes
};

/// Reads, fits and normalizes one picture. Throws InputError.
PreparedImage prepare_image(const std::string& path, const Preprocess& preprocess, ThreadPool& threads,
                            bool keep_original = false);

/// Runs a plan over pictures, reading ahead on all threads.
class ImageRunner {
 public:
  /// `preprocess` must be fit_to_model()'s.
  ImageRunner(std::shared_ptr<const Plan> plan, const Preprocess& preprocess, ThreadPool& threads);

  /// Keep the pixels of originals (to draw on them).
  void keep_originals() { keep_originals_ = true; }

  /// A picture that cannot be read or prepared is passed over, and `broken` told why; else run() throws it.
  using Broken = std::function<void(const std::string& why)>;
  void pass_over_broken(Broken broken) { broken_ = std::move(broken); }

  /// `seen` is called for each picture in order; the outputs, in the graph's order, are of this picture alone
  /// (the first dimension is 1), f32 where the model makes f16 or bf16, and live during the call. Throws what
  /// preparing throws.
  using Seen = std::function<void(const PreparedImage& image, std::span<const TensorView> outputs)>;
  void run(std::span<const std::string> paths, const Seen& seen);

  const Graph& graph() const { return plan_->graph(); }
  /// Seconds spent so far: wall time of reading and preparing, and of inference.
  double preparing_seconds() const { return preparing_seconds_; }
  double running_seconds() const { return running_seconds_; }

 private:
  /// Without those that are passed over.
  std::vector<PreparedImage> prepare(std::span<const std::string> paths);
  void run_one(const PreparedImage& image, const Seen& seen);

  std::shared_ptr<const Plan> plan_;
  Preprocess preprocess_;
  ThreadPool& threads_;
  Session session_;
  ImageInput input_;
  Tensor batch_;  ///< where the model's batch is fixed at more than 1
  bool keep_originals_ = false;
  Broken broken_;
  double preparing_seconds_ = 0;
  double running_seconds_ = 0;
};

}  // namespace halftone
