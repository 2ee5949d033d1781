// Copying rows of another table into the request log: what the worker does batch by batch, and
// import_requests in its caller's transaction.
//
// The source is read by whoever the import belongs to (ImportReading), the log is written by the
// tables' owner (ImportCopy), and no statement does both: 36_functions_import_statements.sql makes
// them. A row that the log cannot take is refused and listed, and stops nobody. Needs a transaction
// with an active snapshot; throws PgError, and core::Error for what is no row's fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/row_batch.hpp"
#include "pg/scoped_settings.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// Under these a key's texts mean the same to everybody, and a time without a zone is one of UTC.
class ImportSettings : pg::ScopedSettings {
 public:
  ImportSettings() : ScopedSettings({{"datestyle", "ISO, YMD"}, {"timezone", "UTC"}}) {}
};

// A row's key in its source, one text for each column; none: before the first, or after the last.
using SourceKey = std::optional<std::vector<std::string>>;
std::optional<std::vector<std::string_view>> views(const SourceKey& key);
SourceKey source_key(const pg::Rows& rows, std::size_t row, int column);

// What there is to copy.
struct ImportSurvey {
  std::optional<std::int64_t> rows;  // nothing: nobody has counted them
  std::string days = "{}";  // as SQL's date[]; NULL in it stands for days that are not known
};

// The statements that read a source. planned() as the tables' owner, the rest as the importer.
class ImportReading {
 public:
  static ImportReading planned(Oid source, std::string_view columns);

  bool has_key() const noexcept { return highest_.has_value(); }
  // The last key there is.
  SourceKey highest_key() const;
  ImportSurvey survey(const SourceKey& after, const SourceKey& up_to) const;
  // Ids that are said to be of keys in keypool.api_keys, a bounded number of them.
  std::vector<std::int64_t> own_keys() const;
  pg::Cursor rows(const SourceKey& after, const SourceKey& up_to,
                  std::optional<std::int64_t> most) const;

 private:
  std::string read_;
  std::optional<std::string> highest_;
  std::string survey_;
  std::optional<std::string> own_keys_;
};

// Writes the rows of one import; lives for as long as it takes. All of it as the tables' owner.
class ImportCopy {
 public:
  static constexpr std::int64_t kMostListed = 1000;

  explicit ImportCopy(std::int64_t import_id);

  // Copies a batch, and writes down in the import's row how far it has come.
  void take(const pg::RowBatch& batch);

 private:
  struct Window {
    std::int64_t first;
    std::int64_t count;
  };

  void take(const pg::RowBatch& batch, Window window);
  void insert(const pg::RowBatch& batch, Window window);
  void insert_carefully(const pg::RowBatch& batch, Window window);
  void refuse(const SourceKey& key, std::string_view reason);
  SourceKey key_at(const pg::RowBatch& batch, std::int64_t row) const;

  std::int64_t import_id_;
  std::string fast_;
  std::string refusals_;
  std::string careful_;
  std::string place_;
  // Windows for which to expect requests that are in the log already, because there were some.
  int careful_windows_ = 0;
  std::int64_t refused_before_ = 0;
  // Of the batch at hand.
  std::int64_t copied_ = 0;
  std::int64_t refused_ = 0;
};

}  // namespace keypool::store
