#include "ops/batch_normalization/batch_normalization.h"

#include <cmath>

#include "ops/elementwise.h"

namespace halftone {
namespace {

bool is_training(const OpSite& site) {
  return site.attributes->get_int("training_mode", 0) != 0;
}

std::vector<ValueType> infer(const OpSite& site) {
  const ValueType& x = site.inputs[0].type;
  require(site, x.shape.rank() >= 2, "X: expected [N, C, ...], found {}", x.shape.str());
  require(site, site.inputs.size() == 5, "expected 5 inputs, found {}", site.inputs.size());
  for (size_t i = 0; i < 5; ++i) {
    const std::string_view name = site.schema->inputs[i].name;
    require(site, site.has_input(i) && is_float(site.inputs[i].type.dtype), "{} is not floating", name);
    const Shape& shape = site.input_shape(i);
    require(site, i == 0 || (shape.rank() == 1 && (shape[0] == x.shape[1] || x.shape[1] < 0 || shape[0] < 0)),
            "{}: expected [{}], found {}", name, x.shape[1], shape.str());
  }
  if (!is_training(site)) return {x};
  return {x, site.inputs[3].type, site.inputs[4].type};
}

Cost cost(const OpSite& site) {
  Cost total = traffic(site);
  total.flops = (is_training(site) ? 7 : 2) * static_cast<double>(site.outputs[0].shape.elements());
  return total;
}

struct Moments {
  double mean = 0, variance = 0;
};

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const Tensor xs = to_f32(plain(inputs[0]));
  std::vector<Tensor> rows;
  for (size_t i = 1; i < 5; ++i) rows.push_back(to_f32(plain(inputs[i])));
  const auto x = xs.span<float>();
  const int64_t batch = xs.shape()[0], channels = xs.shape()[1];
  int64_t plane = 1;
  for (int a = 2; a < xs.shape().rank(); ++a) plane *= xs.shape()[a];
  const double epsilon = static_cast<double>(site.attributes->get_float("epsilon", 1e-5f));
  const double momentum = static_cast<double>(site.attributes->get_float("momentum", 0.9f));

  for (int64_t c = 0; c < channels; ++c) {
    auto parameter = [&](size_t i) {
      return static_cast<double>(rows[i].span<float>()[static_cast<size_t>(c)]);
    };
    auto each = [&](auto body) {
      for (int64_t n = 0; n < batch; ++n)
        for (int64_t i = 0; i < plane; ++i) body((n * channels + c) * plane + i);
    };
    Moments moments{parameter(2), parameter(3)};
    if (is_training(site)) {
      const double count = static_cast<double>(batch * plane);
      moments = {};
      each([&](int64_t i) { moments.mean += static_cast<double>(x[static_cast<size_t>(i)]) / count; });
      each([&](int64_t i) {
        const double off = static_cast<double>(x[static_cast<size_t>(i)]) - moments.mean;
        moments.variance += off * off / count;
      });
      const float mean = static_cast<float>(parameter(2) * momentum + moments.mean * (1 - momentum));
      const float variance = static_cast<float>(parameter(3) * momentum + moments.variance * (1 - momentum));
      if (outputs.size() > 1) store_floats({&mean, 1}, outputs[1], c);
      if (outputs.size() > 2) store_floats({&variance, 1}, outputs[2], c);
    }
    const double factor = parameter(0) / std::sqrt(moments.variance + epsilon);
    each([&](int64_t i) {
      const float y = static_cast<float>(
          (static_cast<double>(x[static_cast<size_t>(i)]) - moments.mean) * factor + parameter(1));
      store_floats({&y, 1}, outputs[0], i);
    });
  }
}

}  // namespace

const OpSchema& batch_normalization_schema() {
  static const OpSchema schema = {
      .name = "BatchNormalization",
      .domain = "",
      .inputs = {{"X"}, {"scale"}, {"B"}, {"input_mean"}, {"input_var"}},
      .outputs = {"Y", "running_mean", "running_var"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
