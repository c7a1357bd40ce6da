#include "ops/integer_meaning.h"

#include "ops/attention/attention_integer.h"
#include "ops/code_pairs.h"
#include "ops/conv/conv_integer.h"
#include "ops/gemm/gemm_integer.h"
#include "ops/layer_normalization/layer_normalization_integer.h"
#include "ops/pool_integer.h"
#include "ops/resize/resize_integer.h"
#include "ops/softmax/softmax_integer.h"

namespace halftone {

const IntegerMeaning* integer_meaning(const OpSite& site) {
  static const IntegerMeaning conv{integer_conv_refusal, integer_conv_reference, true};
  static const IntegerMeaning product{integer_product_refusal, integer_product_reference, true};
  struct Named {
    std::string_view op;
    const IntegerMeaning* meaning;
  };
  static const Named meanings[] = {
      {"Add", &add_on_codes},
      {"Attention", &attention_on_codes},
      {"AveragePool", &average_on_codes},
      {"Conv", &conv},
      {"Gemm", &product},
      {"GlobalAveragePool", &average_on_codes},
      {"MatMul", &product},
      {"Mul", &mul_on_codes},
      {"Resize", &resize_on_codes},
      {"LayerNormalization", &layer_normalization_on_codes},
      {"Softmax", &softmax_on_codes},
  };
  for (const Named& named : meanings)
    if (named.op == site.schema->name)
      return (named.meaning->takes_wide || !site.any_wide()) && named.meaning->refusal(site).empty()
                 ? named.meaning
                 : nullptr;
  return nullptr;
}

}  // namespace halftone
