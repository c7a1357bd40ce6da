#include "tune/receipt.h"

namespace halftone {
namespace {

std::string percents(double model, double reference, const std::string& more = "") {
  return fmt::format("{:.2f} %, original {:.2f} % ({:+.2f}{})", model * 100, reference * 100,
                     (model - reference) * 100, more);
}

/// What an average precision says, by key and name.
struct Precision {
  const char* key;
  const char* name;
  double AveragePrecision::*value;
};
constexpr Precision kPrecisions[] = {{"ap", "AP .5:.95", &AveragePrecision::ap},
                                     {"ap50", "AP50", &AveragePrecision::ap50},
                                     {"ap75", "AP75", &AveragePrecision::ap75}};

}  // namespace

std::vector<std::pair<std::string, std::string>> picture_rows(const ReceiptPictures& pictures) {
  std::vector<std::pair<std::string, std::string>> rows;
  if (pictures.classes) {
    const ClassifierComparison& c = *pictures.classes;
    rows.emplace_back("Top-1", percents(c.model.top1, c.reference.top1,
                                        fmt::format(", 95 % interval +- {:.2f}", c.top1_interval * 100)));
    rows.emplace_back("Top-5", percents(c.model.top5, c.reference.top5));
    rows.emplace_back("Top-1 agreement",
                      fmt::format("{:.2f} % of {} pictures", c.agreement * 100, c.model.images));
    rows.emplace_back("KL divergence from the original",
                      fmt::format("mean {:.6f} nats a picture", c.kld_mean));
  }
  if (pictures.boxes)
    for (const Precision& p : kPrecisions)
      rows.emplace_back(p.name, percents(pictures.boxes->model.*p.value, pictures.boxes->reference.*p.value));
  if (pictures.unreadable > 0)
    rows.emplace_back("Unreadable",
                      fmt::format("{} of {} pictures, passed over", pictures.unreadable, pictures.pictures));
  return rows;
}

OrderedJson pictures_json(const ReceiptPictures& pictures) {
  OrderedJson json;
  if (pictures.classes) {
    const ClassifierComparison& c = *pictures.classes;
    json["top1"] = c.model.top1 * 100;
    json["reference_top1"] = c.reference.top1 * 100;
    json["top1_interval"] = c.top1_interval * 100;
    json["top5"] = c.model.top5 * 100;
    json["reference_top5"] = c.reference.top5 * 100;
    json["top1_agreement"] = c.agreement * 100;
    json["kld_mean"] = c.kld_mean;
    json["images"] = c.model.images;
  }
  if (pictures.boxes)
    for (const Precision& p : kPrecisions) {
      json[p.key] = pictures.boxes->model.*p.value * 100;
      json[std::string("reference_") + p.key] = pictures.boxes->reference.*p.value * 100;
    }
  if (pictures.unreadable > 0) json["unreadable"] = pictures.unreadable;
  json["protocol"] = pictures.protocol;
  return json;
}

}  // namespace halftone
