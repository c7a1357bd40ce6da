#include "backend/cpu/gemm/gemm_site.h"

#include "scheme/bf16/rounded_bf16.h"

namespace halftone::cpu {
namespace {

/// What a constant B must be to be read as f32, row by row.
Refusal decode_refusal(const Constant& b) {
  if (b.encoding()->format->bits() > 8) return "B has codes of more than 8 bits";
  if (b.encoding()->granularity.kind == Granularity::Kind::per_axis && b.encoding()->granularity.axis != 0)
    return "B's scales belong to its columns";
  return {};
}

Refusal exact_refusal(const OpSite& site) {
  if (Refusal refusal = plain_gemm_refusal(site, true); !refusal.empty()) return refusal;
  if (!site.inputs[0].constant && site.inputs[0].encoding) return "A has a dynamic encoding";
  return {};
}

}  // namespace

Refusal plain_gemm_refusal(const OpSite& site, bool takes_activation) {
  if (!takes_activation && site.attributes->has("activation")) return "it has an activation";
  if (site.attributes->get_int("transA", 0) != 0) return "transA is 1";
  if (site.attributes->get_int("transB", 0) == 0) return "transB is 0";
  if (site.inputs[0].type.dtype != DType::f32)
    return fmt::format("A is {}, not f32", dtype_name(site.inputs[0].type.dtype));
  if (!site.inputs[1].constant) return "B is not a constant";
  if (site.input_shape(1).elements() == 0) return "B is empty";
  if (site.has_input(2) && !site.inputs[2].constant && site.inputs[2].type.dtype != DType::f32)
    return fmt::format("C is {}, not f32", dtype_name(site.inputs[2].type.dtype));
  return {};
}

Refusal supports_float_gemm(const OpSite& site) {
  if (Refusal refusal = exact_refusal(site); !refusal.empty()) return refusal;
  const Constant& b = *site.inputs[1].constant;
  if (b.encoding()) return "B is " + b.encoding()->str() + ", not floating";
  if (b.dtype() == DType::f64) return "B is f64";
  return {};
}

Refusal supports_decoded_gemm(const OpSite& site) {
  if (Refusal refusal = exact_refusal(site); !refusal.empty()) return refusal;
  const Constant& b = *site.inputs[1].constant;
  if (!b.encoding()) return "B has no encoding";
  return decode_refusal(b);
}

Refusal supports_bf16_gemm(const OpSite& site) {
  const SiteInput& a = site.inputs[0];
  if (a.constant || !a.encoding || !is_rounded_bf16(*a.encoding)) return "A is not rounded to bf16";
  if (Refusal refusal = plain_gemm_refusal(site, true); !refusal.empty()) return refusal;
  const Constant& b = *site.inputs[1].constant;
  if (b.encoding()) return decode_refusal(b);
  return b.dtype() == DType::f64 ? "B is f64" : "";
}

Addend::Addend(const OpSite& site)
    : alpha_(site.attributes->get_float("alpha", 1)), beta_(site.attributes->get_float("beta", 1)) {
  if (!site.has_input(2) || !site.inputs[2].constant) return;
  const Constant& c = *site.inputs[2].constant;
  constant_ = to_f32(c.encoding() ? c.load_encoded(std::string(site.name))->decode() : c.load());
}

Addend::At Addend::at(const KernelRun& run, int64_t first_row) const {
  At result{nullptr, 0, 0, alpha_, beta_};
  if (!run.site.has_input(2)) return result;
  const TensorView& c = is_constant() ? constant_.view() : run.inputs[2].tensor;
  result.row_step = c.shape.rank() == 2 && c.shape[0] != 1 ? c.shape[1] : 0;
  result.column_step = c.shape.rank() >= 1 && c.shape.back() != 1 ? 1 : 0;
  result.data = c.span<float>().data() + first_row * result.row_step;
  return result;
}

}  // namespace halftone::cpu
