#include "store/import_copy.hpp"

#include <array>

#include "core/error.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// As the statements know a batch.
constexpr const char* kBatch = "keypool_batch";
constexpr int kCarefulWindows = 20;

// Whether it is what a row holds that is at fault.
bool is_of_the_row(int sqlstate) {
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case ERRCODE_DATA_EXCEPTION:
    case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
    case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
      return true;
    default:
      return false;
  }
}

core::Error no_row_at_fault(const pg::Problem& problem) {
  return {core::ErrorCode::kNotReady, problem.message, problem.detail, problem.hint};
}

}  // namespace

std::optional<std::vector<std::string_view>> views(const SourceKey& key) {
  if (!key) return std::nullopt;
  return std::vector<std::string_view>(key->begin(), key->end());
}

SourceKey source_key(const pg::Rows& rows, std::size_t row, int column) {
  const auto parts = rows.optional<std::vector<std::string_view>>(row, column);
  if (!parts) return std::nullopt;
  return std::vector<std::string>(parts->begin(), parts->end());
}

// --- reading

ImportReading ImportReading::planned(Oid source, std::string_view columns) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT p.read, p.highest, p.survey, p.own_keys"
      " FROM keypool.plan_import_reading($1::regclass, $2) p",
      source, pg::Json{columns});
  ImportReading reading;
  reading.read_ = rows.get<std::string>(0, 0);
  reading.highest_ = rows.optional<std::string>(0, 1);
  reading.survey_ = rows.get<std::string>(0, 2);
  reading.own_keys_ = rows.optional<std::string>(0, 3);
  return reading;
}

SourceKey ImportReading::highest_key() const {
  pg::Session session;
  const pg::Rows rows = session.read(highest_->c_str());
  return rows.empty() ? std::nullopt : source_key(rows, 0, 0);
}

ImportSurvey ImportReading::survey(const SourceKey& after, const SourceKey& up_to) const {
  pg::Session session;
  const pg::Rows rows = session.read(survey_.c_str(), views(after), views(up_to));
  return {rows.optional<std::int64_t>(0, 0).value_or(0),
          rows.optional<std::string>(0, 1).value_or("{}")};
}

std::vector<std::int64_t> ImportReading::own_keys() const {
  if (!own_keys_) return {};
  pg::Session session;
  const pg::Rows rows = session.read(own_keys_->c_str());
  return rows.optional<std::vector<std::int64_t>>(0, 0).value_or(std::vector<std::int64_t>());
}

pg::Cursor ImportReading::rows(const SourceKey& after, const SourceKey& up_to,
                               std::optional<std::int64_t> most) const {
  const auto first = views(after);
  const auto last = views(up_to);
  std::array<pg::Cursor::Parameter, 3> parameters;
  pg::call([&] {
    parameters = {{{TEXTARRAYOID, pg::pack(first)},
                   {TEXTARRAYOID, pg::pack(last)},
                   {INT8OID, pg::pack(most)}}};
  });
  return pg::Cursor(read_.c_str(), parameters);
}

// --- writing

ImportCopy::ImportCopy(std::int64_t import_id) : import_id_(import_id) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT p.fast, p.refusals, p.careful, p.place, i.rows_refused"
      " FROM keypool.request_imports i,"
      " keypool.plan_import_writing(i.id, i.source, i.columns, i.follow) p WHERE i.id = $1",
      import_id);
  fast_ = rows.get<std::string>(0, 0);
  refusals_ = rows.get<std::string>(0, 1);
  careful_ = rows.get<std::string>(0, 2);
  place_ = rows.get<std::string>(0, 3);
  refused_before_ = rows.get<std::int64_t>(0, 4);
}

void ImportCopy::take(const pg::RowBatch& batch) {
  const auto size = static_cast<std::int64_t>(batch.size());
  copied_ = refused_ = 0;
  take(batch, {0, size});
  const SourceKey last = key_at(batch, size - 1);
  pg::Session session;
  session.run(
      "UPDATE keypool.request_imports SET reached = coalesce($2, reached),"
      " rows_read = rows_read + $3, rows_copied = rows_copied + $4,"
      " rows_refused = rows_refused + $5, attempts = 0, updated_at = clock_timestamp()"
      " WHERE id = $1",
      import_id_, views(last), size, copied_, refused_);
  refused_before_ += refused_;
}

// A window that fails is halved until the row is alone whose fault it is: nobody can say beforehand
// what the text of a number or the constraints of the log will object to.
void ImportCopy::take(const pg::RowBatch& batch, Window window) {
  pg::check_interrupts();
  const bool careful = careful_windows_ > 0;
  const std::int64_t copied = copied_;
  const std::int64_t refused = refused_;
  const auto problem = pg::subtransaction([&] {
    if (careful) {
      insert_carefully(batch, window);
    } else {
      insert(batch, window);
    }
  });
  if (!problem) {
    if (careful) --careful_windows_;
    return;
  }
  copied_ = copied;
  refused_ = refused;
  if (problem->sqlstate == ERRCODE_UNIQUE_VIOLATION && !careful) {
    careful_windows_ = kCarefulWindows;
    take(batch, window);
  } else if (!is_of_the_row(problem->sqlstate)) {
    throw no_row_at_fault(*problem);
  } else if (window.count == 1) {
    refuse(key_at(batch, window.first), problem->message);
  } else {
    const std::int64_t half = window.count / 2;
    take(batch, {window.first, half});
    take(batch, {window.first + half, window.count - half});
  }
}

void ImportCopy::insert(const pg::RowBatch& batch, Window window) {
  pg::Session session;
  batch.show_to(session, kBatch);
  const auto inserted =
      static_cast<std::int64_t>(session.run(fast_.c_str(), window.first, window.count).affected());
  copied_ += inserted;
  if (inserted == window.count) return;
  const pg::Rows refusals = session.run(refusals_.c_str(), window.first, window.count);
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    refuse(source_key(refusals, i, 0), refusals.get<std::string_view>(i, 1));
  }
}

void ImportCopy::insert_carefully(const pg::RowBatch& batch, Window window) {
  pg::Session session;
  batch.show_to(session, kBatch);
  const pg::Rows rows = session.run(careful_.c_str(), window.first, window.count);
  copied_ += rows.get<std::int64_t>(0, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.get<bool>(i, 1)) refuse(source_key(rows, i, 2), rows.get<std::string_view>(i, 3));
  }
}

void ImportCopy::refuse(const SourceKey& key, std::string_view reason) {
  ++refused_;
  if (refused_before_ + refused_ > kMostListed) return;
  pg::Session session;
  session.run(
      "INSERT INTO keypool.request_import_refusals (import_id, source_key, reason, followed)"
      " VALUES ($1, $2, $3, false)",
      import_id_, views(key), reason);
}

SourceKey ImportCopy::key_at(const pg::RowBatch& batch, std::int64_t row) const {
  pg::Session session;
  batch.show_to(session, kBatch);
  return source_key(session.run(place_.c_str(), row, std::int64_t{1}), 0, 0);
}

}  // namespace keypool::store
