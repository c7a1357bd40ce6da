#include "ops/attention_gradient/attention_gradient.h"

#include <algorithm>
#include <cmath>

#include "ops/attention/attention.h"
#include "ops/attention/attention_mask.h"

namespace halftone {
namespace {

enum Input : size_t { kGradient, kQ, kK, kV, kMask };

std::vector<ValueType> infer(const OpSite& site) {
  OpSite forward = site;
  forward.schema = &attention_schema();
  forward.inputs.erase(forward.inputs.begin());
  forward.outputs.clear();
  const ValueType y = forward.schema->infer(forward).front();
  require(site, site.inputs[kGradient].type == y, "gradient: expected {}, found {}", y.shape.str(),
          site.input_shape(kGradient).str());
  require(site, y.dtype == DType::f32, "expected f32, found {}", dtype_name(y.dtype));
  return {site.inputs[kQ].type, site.inputs[kK].type, site.inputs[kV].type};
}

/// Five products where Attention has two.
Cost cost(const OpSite& site) {
  const HeadsExtent q = heads_extent(site, kQ, "q_num_heads"), v = heads_extent(site, kV, "kv_num_heads");
  Cost total = traffic(site);
  total.flops = 2 * static_cast<double>(q.batch * q.heads * q.length) * static_cast<double>(v.length) *
                static_cast<double>(3 * q.dim + 2 * v.dim);
  return total;
}

/// Vector `position` of a head.
std::span<const float> row(const Operand& operand, const HeadsExtent& e, int64_t b, int64_t head,
                           int64_t position) {
  return operand.span<float>().subspan(static_cast<size_t>(e.offset(b, head, position)),
                                       static_cast<size_t>(e.dim));
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

/// sums += factor * x, from element `at` on.
void add(std::vector<double>& sums, int64_t at, std::span<const float> x, double factor) {
  for (size_t i = 0; i < x.size(); ++i) sums[static_cast<size_t>(at) + i] += factor * x[i];
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const HeadsExtent q = heads_extent(site, kQ, "q_num_heads"), k = heads_extent(site, kK, "kv_num_heads"),
                    v = heads_extent(site, kV, "kv_num_heads");
  HeadsExtent y = q;
  y.dim = v.dim;
  const double scale = site.attributes->get_float("scale", 1.0f / std::sqrt(static_cast<float>(q.dim)));
  const double cap = site.attributes->get_float("softcap", 0.0f);
  const bool causal = site.attributes->get_int("is_causal", 0) != 0;
  const bool masked = inputs.size() > kMask && inputs[kMask].present;
  const AttentionMask mask(masked ? &inputs[kMask] : nullptr, Shape{q.batch, q.heads, q.length, k.length}, 0,
                           causal, site.attributes->get_int("window", 0));

  std::vector<std::vector<double>> sums;
  for (const MutableTensorView& output : outputs)
    sums.emplace_back(static_cast<size_t>(output.shape.elements()), 0.0);
  std::vector<double> capped(static_cast<size_t>(k.length)), weights(capped.size()), slopes(capped.size());
  for (int64_t b = 0; b < q.batch; ++b)
    for (int64_t head = 0; head < q.heads; ++head)
      for (int64_t position = 0; position < q.length; ++position) {
        const int64_t kv_head = head / (q.heads / k.heads);
        const auto query = row(inputs[kQ], q, b, head, position),
                   dy = row(inputs[kGradient], y, b, head, position);
        double highest = -HUGE_VAL, total = 0, mean = 0;
        for (size_t i = 0; i < capped.size(); ++i) {
          const int64_t key = static_cast<int64_t>(i);
          const double score = dot(query, row(inputs[kK], k, b, kv_head, key)) * scale;
          capped[i] = cap > 0 ? cap * std::tanh(score / cap) : score;
          const double addend = mask(b, head, position, key);
          weights[i] = addend == -HUGE_VAL ? addend : capped[i] + addend;  // what is masked may be NaN
          highest = std::max(highest, weights[i]);
        }
        if (highest == -HUGE_VAL) continue;  // sees nothing: Y is 0 whatever Q, K and V are
        for (double& weight : weights) total += weight = std::exp(weight - highest);
        for (size_t i = 0; i < weights.size(); ++i) {
          weights[i] /= total;
          slopes[i] = dot(dy, row(inputs[kV], v, b, kv_head, static_cast<int64_t>(i)));
          mean += weights[i] * slopes[i];
        }
        for (size_t i = 0; i < weights.size(); ++i) {
          if (weights[i] == 0) continue;
          const int64_t key = static_cast<int64_t>(i);
          double ds = weights[i] * (slopes[i] - mean) * scale;
          if (cap > 0) ds *= 1 - capped[i] / cap * (capped[i] / cap);
          add(sums[0], q.offset(b, head, position), row(inputs[kK], k, b, kv_head, key), ds);
          add(sums[1], k.offset(b, kv_head, key), query, ds);
          add(sums[2], v.offset(b, kv_head, key), dy, weights[i]);
        }
      }
  for (size_t i = 0; i < outputs.size(); ++i)
    std::transform(sums[i].begin(), sums[i].end(), outputs[i].span<float>().begin(),
                   [](double x) { return static_cast<float>(x); });
}

}  // namespace

const OpSchema& attention_gradient_schema() {
  static const OpSchema schema = {
      .name = "AttentionGradient",
      .domain = "halftone",
      .inputs = {{"gradient"}, {"Q"}, {"K"}, {"V"}, {"attn_mask", true}},
      .outputs = {"dQ", "dK", "dV"},
      .infer = infer,
      .cost = cost,
      .reference = reference,
  };
  return schema;
}

}  // namespace halftone
