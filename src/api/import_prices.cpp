// import_prices: a public price list, or the models of an import document, into the price list.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/key_write.hpp"
#include "api/price_write.hpp"
#include "core/price_document.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

class Reasons {
 public:
  void add(std::string_view reason, std::int64_t count,
           const std::vector<std::string>& examples = {}) {
    if (count == 0) return;
    text_ += (text_.empty() ? "" : "; ") + std::string(reason) + ": " + std::to_string(count);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      text_ += (i == 0 ? " (" : ", ") + examples[i];
    }
    const bool are_all = examples.size() == static_cast<std::size_t>(count);
    if (!examples.empty()) text_ += are_all ? ")" : " and others)";
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

// One notice for all entries that changed nothing, by reason.
void tell_skipped(const core::PriceDocument& document, const PricesSet& set, std::int64_t skipped) {
  if (skipped == 0) return;
  Reasons reasons;
  for (std::size_t i = 0; i < core::kNoPriceReasons; ++i) {
    const core::SkippedEntries& entries = document.skipped[i];
    reasons.add(core::describe(static_cast<core::NoPrice>(i)),
                static_cast<std::int64_t>(entries.count), entries.examples);
  }
  reasons.add("the price that there was", set.unchanged);
  reasons.add("given again further on", static_cast<std::int64_t>(document.prices.size()) -
                                            set.added - set.updated - set.unchanged);
  const char* detail = reasons.text().c_str();
  const std::size_t entries = document.entries;
  pg::call([=] {
    ereport(NOTICE,
            (errmsg("%lld of %zu entries were skipped", static_cast<long long>(skipped), entries),
             errdetail_internal("%s.", detail)));
  });
}

// import_prices(prices jsonb) → (added int, updated int, skipped int)
Datum import_prices(const pg::Args& args) {
  require_writable("import_prices()");
  const core::PriceDocument document = core::parse_price_document(args.get<pg::Json>(0).text);
  const PricesSet set = set_prices(ProviderNames(), document.prices, "import_prices()");
  const std::int64_t skipped =
      static_cast<std::int64_t>(document.entries) - set.added - set.updated;
  tell_skipped(document, set, skipped);
  return pg::record(args, static_cast<std::int32_t>(set.added),
                    static_cast<std::int32_t>(set.updated), static_cast<std::int32_t>(skipped));
}

}  // namespace

KEYPOOL_FUNCTION(import_prices, import_prices);

}  // namespace keypool::api
