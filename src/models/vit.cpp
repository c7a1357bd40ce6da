#include <algorithm>

#include "base/error.h"
#include "models/config.h"
#include "models/vision_transformer.h"

namespace halftone {
namespace {

/// A classifier of pictures: transformer, last norm, and a linear layer over a leading token.
class Classifier {
 public:
  /// `prefix`: where the encoder lies ("vit"); `leading`: names of the leading tokens.
  Classifier(const Checkpoint& checkpoint, const BuildOptions& options, const std::string& prefix,
             std::vector<std::string> leading)
      : checkpoint_(checkpoint),
        has_weights_(!options.weights),
        prefix_(prefix),
        model_(checkpoint, options, read_vision_config(checkpoint.config, config_source(checkpoint)),
               names(prefix, std::move(leading)),
               json_get_or<std::string>(checkpoint.config, "model_type", "vit", config_source(checkpoint))) {
    encoded_ = model_.layers(model_.embed());
  }

  /// What the classifier says of one of the leading tokens (norms do not mix tokens).
  ValueId classify(const std::string& classifier, int64_t token) {
    const std::string name = fmt::format("{}.token_{}", prefix_, token);
    const ValueId picked = model_.node("Gather", name, {encoded_, model_.ints(name + ".index", {}, {token})},
                                       {{"axis", int64_t{1}}});
    const ValueId normed = model_.layer_norm(prefix_ + ".layernorm", picked, token);
    return model_.linear(classifier, normed, classes(classifier), true);
  }

  ValueId mean(const std::string& name, ValueId a, ValueId b) {
    const ValueId half = model_.constant(name + ".half", Constant(Tensor::from<float>({1}, {0.5f})));
    return model_.node("Mul", name, {model_.node("Add", name + ".sum", {a, b}), half});
  }

  Graph finish(ValueId logits) { return model_.finish(logits, "logits"); }

 private:
  static VisionNames names(const std::string& prefix, std::vector<std::string> leading) {
    const std::string embeddings = prefix + ".embeddings.";
    for (std::string& name : leading) name = embeddings + name;
    return {embeddings + "patch_embeddings.projection",
            embeddings + "position_embeddings",
            std::move(leading),
            prefix + ".encoder.layer",
            ".attention.attention.query",
            ".attention.attention.key",
            ".attention.attention.value",
            ".attention.output.dense",
            ".layernorm_before",
            ".layernorm_after",
            ".intermediate.dense",
            ".output.dense"};
  }

  /// As many as the classifier's weights have; without weights at hand, as the configuration says.
  int64_t classes(const std::string& classifier) const {
    if (has_weights_) return checkpoint_.type(classifier + ".weight").shape[0];
    const Json& config = checkpoint_.config;
    if (config.contains("id2label") && config["id2label"].is_object())
      return static_cast<int64_t>(std::max<size_t>(config["id2label"].size(), 1));
    constexpr int64_t kDefaultClasses = 2, kMostClasses = 1 << 20;  // as transformers has it
    return std::clamp(json_get_or<int64_t>(config, "num_labels", kDefaultClasses, config_source(checkpoint_)),
                      int64_t{1}, kMostClasses);
  }

  const Checkpoint& checkpoint_;
  bool has_weights_;
  std::string prefix_;
  VisionTransformer model_;
  ValueId encoded_ = kNoValue;
};

}  // namespace

Graph build_vit(const Checkpoint& checkpoint, const BuildOptions& options) {
  Classifier model(checkpoint, options, "vit", {"cls_token"});
  return model.finish(model.classify("classifier", 0));
}

/// Touvron et al., arXiv:2012.12877. The token that learns from the teacher is there, and not asked.
Graph build_deit(const Checkpoint& checkpoint, const BuildOptions& options) {
  Classifier model(checkpoint, options, "deit", {"cls_token", "distillation_token"});
  return model.finish(model.classify("classifier", 0));
}

/// The mean of what both tokens say.
Graph build_deit_with_teacher(const Checkpoint& checkpoint, const BuildOptions& options) {
  Classifier model(checkpoint, options, "deit", {"cls_token", "distillation_token"});
  const ValueId own = model.classify("cls_classifier", 0);
  const ValueId taught = model.classify("distillation_classifier", 1);
  return model.finish(model.mean("logits.mean", own, taught));
}

}  // namespace halftone
