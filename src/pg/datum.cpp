#include "pg/datum.hpp"

#include "core/error.hpp"
#include "pg/money.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

// The elements of a one-dimensional array; refuses NULL elements, which no argument of ours means
// anything by.
std::span<const Datum> array_elements(Datum datum, Oid type, int length, bool by_value,
                                      char alignment) {
  struct Elements {
    Datum* values;
    int count;
    bool has_null;
  };
  const Elements elements = call([=] {
    Elements found{};
    ArrayType* array = DatumGetArrayTypeP(datum);
    found.has_null = array_contains_nulls(array);
    if (!found.has_null) {
      deconstruct_array(array, type, length, by_value, alignment, &found.values, nullptr,
                        &found.count);
    }
    return found;
  });
  if (elements.has_null) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "array must not contain nulls");
  }
  return {elements.values, static_cast<std::size_t>(elements.count)};
}

core::Micros micros_of(const ::Interval& interval) {
  std::int64_t micros = 0;
  const std::int64_t days = std::int64_t{interval.month} * DAYS_PER_MONTH + interval.day;
  if (__builtin_mul_overflow(days, core::kDay, &micros) ||
      __builtin_add_overflow(micros, interval.time, &micros)) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "interval out of range");
  }
  return micros;
}

}  // namespace

std::string_view varlena_view(Datum datum) {
  auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
  if (VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value)) {
    value = call([=] { return pg_detoast_datum_packed(value); });
  }
  return {VARDATA_ANY(value), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(value))};
}

std::string_view SqlType<std::string_view>::from(Datum datum) { return varlena_view(datum); }
Datum SqlType<std::string_view>::to(const std::string_view& value) {
  return PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
}

std::string SqlType<std::string>::from(Datum datum) { return std::string(varlena_view(datum)); }
Datum SqlType<std::string>::to(const std::string& value) {
  return PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
}

std::int32_t SqlType<std::int32_t>::from(Datum datum) { return DatumGetInt32(datum); }
Datum SqlType<std::int32_t>::to(const std::int32_t& value) { return Int32GetDatum(value); }

std::int64_t SqlType<std::int64_t>::from(Datum datum) { return DatumGetInt64(datum); }
Datum SqlType<std::int64_t>::to(const std::int64_t& value) { return Int64GetDatum(value); }

double SqlType<double>::from(Datum datum) { return DatumGetFloat8(datum); }
Datum SqlType<double>::to(const double& value) { return Float8GetDatum(value); }

bool SqlType<bool>::from(Datum datum) { return DatumGetBool(datum); }
Datum SqlType<bool>::to(const bool& value) { return BoolGetDatum(value); }

Oid SqlType<Oid>::from(Datum datum) { return DatumGetObjectId(datum); }
Datum SqlType<Oid>::to(const Oid& value) { return ObjectIdGetDatum(value); }

Nanos SqlType<Nanos>::from(Datum datum) { return {nanos_from_numeric(datum)}; }
Datum SqlType<Nanos>::to(const Nanos& value) { return numeric_from_nanos(value.value); }

Duration SqlType<Duration>::from(Datum datum) { return {micros_of(*DatumGetIntervalP(datum))}; }
Datum SqlType<Duration>::to(const Duration& value) {
  auto* interval = static_cast<::Interval*>(palloc0(sizeof(::Interval)));
  interval->time = value.value;
  return IntervalPGetDatum(interval);
}

Instant SqlType<Instant>::from(Datum datum) { return {DatumGetTimestampTz(datum)}; }
Datum SqlType<Instant>::to(const Instant& value) { return TimestampTzGetDatum(value.value); }

Day SqlType<Day>::from(Datum datum) { return {DatumGetInt32(datum)}; }
Datum SqlType<Day>::to(const Day& value) { return Int32GetDatum(value.value); }

Json SqlType<Json>::from(Datum datum) {
  struct Text {
    const char* data;
    int size;
  };
  const Text text = call([=] {
    Jsonb* json = DatumGetJsonbP(datum);
    StringInfoData out;
    initStringInfo(&out);
    JsonbToCString(&out, &json->root, VARSIZE(json));
    return Text{out.data, out.len};
  });
  return {{text.data, static_cast<std::size_t>(text.size)}};
}
Datum SqlType<Json>::to(const Json& value) {
  char* text = pnstrdup(value.text.data(), value.text.size());
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

Bytes SqlType<Bytes>::from(Datum datum) {
  const std::string_view view = varlena_view(datum);
  return {std::as_bytes(std::span(view.data(), view.size()))};
}
Datum SqlType<Bytes>::to(const Bytes& value) {
  const auto* data = reinterpret_cast<const char*>(value.data.data());
  return PointerGetDatum(cstring_to_text_with_len(data, static_cast<int>(value.data.size())));
}

std::vector<std::string_view> SqlType<std::vector<std::string_view>>::from(Datum datum) {
  std::vector<std::string_view> out;
  for (Datum element : array_elements(datum, TEXTOID, -1, false, TYPALIGN_INT)) {
    out.push_back(varlena_view(element));
  }
  return out;
}
Datum SqlType<std::vector<std::string_view>>::to(const std::vector<std::string_view>& value) {
  auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (value.size() + 1)));
  std::size_t count = 0;
  for (const std::string_view& text : value) {
    elements[count++] = SqlType<std::string_view>::to(text);
  }
  return PointerGetDatum(
      construct_array(elements, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT));
}

std::vector<std::int64_t> SqlType<std::vector<std::int64_t>>::from(Datum datum) {
  std::vector<std::int64_t> out;
  for (Datum element :
       array_elements(datum, INT8OID, sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)) {
    out.push_back(DatumGetInt64(element));
  }
  return out;
}
Datum SqlType<std::vector<std::int64_t>>::to(const std::vector<std::int64_t>& value) {
  auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (value.size() + 1)));
  std::size_t count = 0;
  for (std::int64_t number : value) elements[count++] = Int64GetDatum(number);
  return PointerGetDatum(construct_array(elements, static_cast<int>(count), INT8OID,
                                         sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

}  // namespace keypool::pg
