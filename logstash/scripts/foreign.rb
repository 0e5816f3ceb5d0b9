# Lines that no shipper sent, made into the documents that a shipper would have made of them.
#
# The rules are those of shipper/enrich: `odd` (what is kept where), `clock` (times), `origin` (what
# is a run), `classify` (dataset and error category), and their tests hold the two against each
# other. What differs: there is no file, so no `log`; the host is the sender's address; of times,
# only the extended form of ISO 8601 and numbers are read.
#
# The id of a record is its run and seq if it has them. Otherwise it is made of the bytes of the line,
# the sender, and where the line comes from: the file and offset that another shipper names, else, if
# the line has no time of its own, the time of its arrival. So a line that is sent twice is one
# record, and a text that is logged again and again is not.

require "date"
require "json"

# A mapping that refuses a key that it has already. It is asked by json before 2.16; later versions
# know `allow_duplicate_key`, and fill the mapping without asking.
class ForeignKeys < Hash
  def []=(key, value)
    raise KeyError, "duplicate_keys" if key?(key)
    super
  end
end

def register(params)
  @strict = {
    max_nesting: 20, object_class: ForeignKeys, create_additions: false, allow_duplicate_key: false
  }
  @longest_line = 1024 * 1024 # bytes, as the shipper's max_line_bytes
  @namespace = params.fetch("namespace")
  @service = {
    "name" => params.fetch("service"),
    "environment" => params.fetch("environment"),
    "version" => "unknown"
  }
  @texts = %w[
    level logger message exc_info error_type request_id workflow_id status method path route
    client_ip user_agent run
  ]
  @integers = %w[status_code seq]
  @floats = %w[execution_time_ms duration_ms]
  @time_keys = %w[timestamp @timestamp time ts]
  @severe = %w[ERROR CRITICAL]
  @failed = %w[failed failure error timeout]
  @categories = {
    "access" => ["web"], "auth" => ["authentication"], "database" => ["database"],
    "slow_queries" => ["database"], "worker" => ["process"], "workflows" => ["process"]
  }
end

def filter(event)
  tags = []
  raw = text_of(event, tags)
  line = raw.delete_prefix("\uFEFF").chomp("\r")
  return [] if line.strip.empty?

  if line.bytesize > @longest_line
    tags << "truncated"
    line = line.byteslice(0, @longest_line).scrub("")
  else
    record = parsed(line, tags)
  end
  fields, extra, time = record ? sorted(record, tags) : [{ "message" => line }, {}, nil]
  put(event, raw, fields, brought(event).merge(extra), time, tags)
  [event]
end

# The text of a line. Port 5000 hands over its bytes, one character each (charset ISO-8859-1), so
# that a byte that is no UTF-8 costs that byte only.
def text_of(event, tags)
  message = event.get("message").to_s
  return message unless event.get("[@metadata][input][tcp]")

  text = message.encode(Encoding::ISO_8859_1).force_encoding(Encoding::UTF_8)
  return text if text.valid_encoding?

  tags << "invalid_utf8"
  text.scrub("\uFFFD")
end

# The record of a line, or nil and the reason in `tags`.
def parsed(line, tags)
  value = JSON.parse(line, **@strict)
  return value if value.is_a?(Hash) && finite?(value)

  tags << (value.is_a?(Hash) || !finite?(value) ? "not_json" : "not_an_object")
  nil
rescue KeyError
  tags << "duplicate_keys"
  nil
rescue JSON::NestingError
  tags << "too_deep"
  nil
rescue JSON::ParserError, EncodingError
  tags << (doubled?(line) ? "duplicate_keys" : "not_json")
  nil
end

# Whether a line that was refused is one that would pass but for a key that it has twice. The
# versions of json word that refusal differently, so it is told by parsing once more.
def doubled?(line)
  finite?(JSON.parse(line, max_nesting: 20, create_additions: false, allow_duplicate_key: true))
rescue JSON::ParserError, EncodingError
  false
end

def finite?(value)
  case value
  when Hash then value.each_value.all? { |item| finite?(item) }
  when Array then value.all? { |item| finite?(item) }
  when Float then value.finite?
  else true
  end
end

# Fields of known name and type, everything else, and the time in epoch milliseconds or nil.
def sorted(record, tags)
  fields = {}
  extra = {}
  record = record.to_h.dup
  time = take_time(record, extra)
  tags << "no_timestamp" if time.nil?
  record.each do |key, value|
    next if value.nil?

    if !(@texts.include?(key) || @integers.include?(key) || @floats.include?(key))
      extra[key] = indexable(value)
    elsif fits?(key, value)
      fields[key] = value
    else
      extra[key] = indexable(value)
      tags << "moved"
    end
  end
  [fields, extra, time]
end

def fits?(key, value)
  return value.is_a?(String) if @texts.include?(key)
  return value.is_a?(Integer) && value.between?(-2**63, 2**63 - 1) if @integers.include?(key)

  value.is_a?(Numeric) && value.between?(-1e308, 1e308)
end

def take_time(record, extra)
  @time_keys.each do |key|
    written = record[key]
    time = milliseconds(written)
    next if time.nil?

    record.delete(key)
    extra[key] = written if written != iso(time)
    return time
  end
  %w[timestamp @timestamp].each do |key|
    value = record.delete(key)
    extra[key] = indexable(value) unless value.nil?
  end
  nil
end

# A time of the years 1970 to 2199 in epoch milliseconds; nil for anything else. A number may be of
# seconds or of milliseconds; a small one is a duration that has the name of a time.
def milliseconds(value)
  time =
    case value
    when String then from_text(value)
    when 1e9...1e11 then (value * 1000).to_i
    when 1e12...1e14 then value.to_i
    end
  time if time && time >= 0 && time < 7_258_118_400_000
end

def from_text(text)
  found = /\A(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?
           (Z|[+-]\d\d:?\d\d)?\z/x.match(text)
  return nil if found.nil? || (found[8] && found[4].nil?)

  year, month, day, hour, minute, second = (1..6).map { |group| found[group].to_i }
  return nil unless Date.valid_date?(year, month, day) && hour < 24 && minute < 60 && second < 60

  micros = found[7].to_s[0, 6].ljust(6, "0").to_i
  zone = offset(found[8])
  zone && (Time.utc(year, month, day, hour, minute, second).to_i - zone) * 1000 + (micros + 500) / 1000
end

# Seconds east of UTC; nil for a zone that cannot be.
def offset(zone)
  return 0 if zone.nil? || zone == "Z"

  hours = zone[1, 2].to_i
  minutes = zone[-2, 2].to_i
  return nil if hours > 23 || minutes > 59

  (zone.start_with?("-") ? -1 : 1) * (hours * 3600 + minutes * 60)
end

def iso(time)
  Time.at(time / 1000, time % 1000, :millisecond).utc.strftime("%Y-%m-%dT%H:%M:%S.%LZ")
end

# The value in a form that any store can index.
def indexable(value)
  case value
  when Hash then value.compact.to_h { |key, item| [key, indexable(item)] }
  when Array then value.compact.map { |item| indexable(item) }
  when Integer then value.between?(-2**63, 2**63 - 1) ? value : value.to_s
  else value
  end
end

# What else a foreign beat says of its event; a line on port 5000 has nothing else.
def brought(event)
  ours = %w[message @timestamp @version tags]
  others = event.to_hash.reject { |key, _| ours.include?(key) }
  others["event"] = others["event"].reject { |key, _| key == "original" } if others["event"].is_a?(Hash)
  others.reject { |_, value| value.nil? || value == {} }
end

def put(event, raw, fields, extra, time, tags)
  arrived = milliseconds_of(event.get("@timestamp").to_s)
  origin = origin_of(fields, extra)
  dataset, categories, error = classified(fields)
  document = fields.merge(
    "host" => { "name" => sender(event) },
    "service" => @service.dup,
    "event" => { "dataset" => dataset, "kind" => "event", "created" => arrived },
    "data_stream" => { "type" => "logs", "dataset" => dataset, "namespace" => @namespace }
  )
  document["event"]["category"] = categories unless categories.empty?
  document["error"] = { "category" => error } if error
  document["extra"] = extra unless extra.empty?
  document["tags"] = tags.uniq unless tags.empty?

  event.set("[@metadata][origin]", origin) if origin
  event.set("[@metadata][identity]", [raw, sender(event), *place(event, time ? "" : arrived)].join("\n"))
  # Nothing is removed before everything is set: should that fail, the line is still there.
  before = event.to_hash.keys - %w[@timestamp @version]
  document.each { |key, value| event.set("[#{key}]", value) }
  (before - document.keys).each { |key| event.remove("[#{key}]") }
  event.set("@timestamp", LogStash::Timestamp.new(iso(time))) if time
end

# The time of an event in milliseconds; Logstash has nanoseconds.
def milliseconds_of(text)
  text.sub(/(\.\d{3})\d+Z\z/, '\1Z')
end

# Where a line stands, if another shipper says so; else when it came.
def place(event, arrived)
  path, offset = event.get("[log][file][path]"), event.get("[log][offset]")
  path.is_a?(String) && offset.is_a?(Integer) ? [path, offset] : [arrived]
end

# The address that a line came from, or the host that another shipper names: with `enrich => none`
# the beats input adds no address.
def sender(event)
  name = event.get("[host][name]")
  event.get("[@metadata][input][tcp][source][ip]") ||
    (name.is_a?(String) && !name.empty? ? name : nil) ||
    event.get("[@metadata][input][beats][host][ip]") || "unknown"
end

# `<run>-<seq>`; a run or seq of another meaning moves under `extra`.
def origin_of(fields, extra)
  run, seq = fields.values_at("run", "seq")
  ulid = run.is_a?(String) && /\A[0-7][0-9A-HJKMNP-TV-Z]{25}\z/.match?(run)
  return "#{run}-#{seq}" if ulid && seq.is_a?(Integer) && seq.between?(0, 2**53 - 1)

  %w[run seq].each { |key| extra[key] = fields.delete(key) if fields.key?(key) }
  nil
end

# Dataset, ECS categories and error category, as shipper/enrich/classify.py has them.
def classified(fields)
  parts = fields.fetch("logger", "").split(".", -1)
  code = fields.fetch("status_code", 0)
  dataset =
    if parts == %w[shipper alerts] then "orchestrator.alerts"
    elsif code != 0 || parts.last == "access" then "orchestrator.access"
    elsif parts.include?("workflows") || parts.include?("workflow") then "orchestrator.workflow"
    else "orchestrator.app"
    end
  default = dataset == "orchestrator.access" ? ["web"] : []
  [dataset, @categories.fetch(parts.last, default), error_of(dataset, code, fields)]
end

def error_of(dataset, code, fields)
  severe = @severe.include?(fields["level"])
  case dataset
  when "orchestrator.access" then code >= 500 ? "server" : code >= 400 ? "user" : nil
  when "orchestrator.workflow" then severe || @failed.include?(fields["status"]) ? "workflow" : nil
  else severe ? "server" : nil
  end
end
