#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "models/vision_model.h"
#include "models/vision_transformer.h"
#include "npy.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

double worst_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(double{a[i]} - double{b[i]});
    if (!(difference <= worst)) worst = difference;  // NaN too
  }
  return worst;
}

/// Two pictures at once and each alone give the logits of the reference.
TEST(Vit, LogitsAreThoseOfTheReference) {
  SKIP_WITHOUT_SHARED("models/vit");
  const fs::path golden = shared_path("models/vit/golden");
  const Graph graph = build_vision_model(open_checkpoint(shared_path("models/vit/vit_tiny_patch16_224_hf")));
  ThreadPool threads(2);
  CompileOptions options;
  options.backend = &cpu_backend();
  Session session(compile(graph, options, threads), threads);
  for (const std::string picture : {"0", "1"}) {
    const Tensor pixels = read_npy(golden / ("vit_tiny_" + picture + "_pixel_values.npy"));
    const Tensor logits = read_npy(golden / ("vit_tiny_" + picture + "_logits.npy"));
    session.run({{"pixel_values", pixels.view()}});
    EXPECT_LE(worst_difference(session.output("logits").span<float>(), logits.span<float>()), 2e-4)
        << picture;

    const Shape& one = pixels.shape();
    Tensor pair = Tensor::zeros(DType::f32, {2, one[1], one[2], one[3]});
    const auto from = pixels.span<float>();
    std::copy(from.begin(), from.end(),
              pair.mutable_view().span<float>().begin() + static_cast<ptrdiff_t>(from.size()));
    session.run({{"pixel_values", pair.view()}});
    const auto both = session.output("logits").span<float>();
    EXPECT_LE(worst_difference(both.subspan(both.size() / 2), logits.span<float>()), 2e-4) << picture;
  }
}

TEST(Vit, RefusesWhatDoesNotFit) {
  Checkpoint checkpoint;
  checkpoint.path = "model";
  checkpoint.config = {{"architectures", {"ResNetForImageClassification"}}};
  EXPECT_THROW(build_vision_model(checkpoint), UnsupportedError);
  checkpoint.config = {{"architectures", {"ViTForImageClassification"}},
                       {"hidden_size", 32},
                       {"num_attention_heads", 5},
                       {"intermediate_size", 64},
                       {"image_size", 32},
                       {"patch_size", 16},
                       {"num_channels", 3},
                       {"num_hidden_layers", 1},
                       {"hidden_act", "gelu"}};
  EXPECT_THROW(build_vision_model(checkpoint), InputError);  // 32 / 5
  checkpoint.config["num_attention_heads"] = 4;
  EXPECT_THROW(build_vision_model(checkpoint), InputError);  // no tensors
  checkpoint.config["patch_size"] = 15;
  EXPECT_THROW(build_vision_model(checkpoint), InputError);
  checkpoint.config["patch_size"] = 16;
  EXPECT_NO_THROW(read_vision_config(checkpoint.config, "config.json"));
  checkpoint.config["layer_norm_eps"] = -1;
  EXPECT_THROW(read_vision_config(checkpoint.config, "config.json"), InputError);
}

}  // namespace
}  // namespace halftone
