# Lines that no shipper sent, made into the documents that a shipper would have made of them.
#
# The rules are those of shipper/enrich: `odd` (what is kept where), `known` (levels, names of ECS,
# types), `clock` (times), `origin` (what is a run), `weight` (what is too heavy for an index), `classify`
# (dataset and error category), and their tests hold the two against each other. What differs: there is
# no file, so no `log`; the host is the sender's address; of ISO 8601, only the extended form is read.
#
# The id of a record is its run and seq if it has them. Otherwise it is made of the bytes of the line,
# the sender, and where the line comes from: the file and offset that another shipper names, else, if
# the line has no time of its own, the time of its arrival. So a line that is sent twice is one
# record, and a text that is logged again and again is not.

require "date"
require "json"

# A mapping that refuses a key that it has already, for json before 2.13; later versions know
# `allow_duplicate_key`, and read into a mapping of their own more cheaply.
class ForeignKeys < Hash
  def []=(key, value)
    raise KeyError, "duplicate_keys" if key?(key)
    super
  end
end

def register(params)
  @strict = { max_nesting: 20, create_additions: false, allow_duplicate_key: false, allow_nan: true }
  @strict[:object_class] = ForeignKeys if (JSON::VERSION.split(".").map(&:to_i) <=> [2, 13]).negative?
  @longest_line = 1024 * 1024 # bytes, as the shipper's max_line_bytes
  @namespace = params.fetch("namespace")
  @service = {
    "name" => params.fetch("service"),
    "environment" => params.fetch("environment"),
    "version" => "unknown"
  }
  @kinds = { "level" => :level, "exc_info" => :string, "run" => :string, "seq" => :seq,
             "status_code" => :integer, "execution_time_ms" => :float, "duration_ms" => :float }
  %w[
    logger message error_type request_id workflow_id status method path route client_ip user_agent
  ].each { |name| @kinds[name] = :text }
  @time_keys = %w[timestamp @timestamp time ts asctime datetime @t]
  @level_keys = %w[severity levelname loglevel log_level lvl]
  @levels = {
    "DEBUG" => "TRACE VERBOSE DBG FINE FINER FINEST SILLY DEBUG1 DEBUG2 DEBUG3 DEBUG4 DEBUG5 T D",
    "INFO" => "INFORMATION INFORMATIONAL NOTICE INF LOG HTTP I N",
    "WARNING" => "WARN WRN W",
    "ERROR" => "ERR SEVERE E",
    "CRITICAL" => "CRIT FATAL PANIC DPANIC ALERT EMERG EMERGENCY FTL C F"
  }.flat_map { |level, names| [level, *names.split].map { |name| [name, level] } }.to_h
  # The tens of pino and bunyan.
  @numbered = %w[DEBUG DEBUG INFO WARNING ERROR CRITICAL]
  @ecs = {
    "log.level" => "level", "log.logger" => "logger", "error.type" => "error_type",
    "error.stack_trace" => "exc_info", "http.request.method" => "method",
    "http.request.id" => "request_id", "http.response.status_code" => "status_code",
    "http.route" => "route", "url.path" => "path", "client.ip" => "client_ip",
    "user_agent.original" => "user_agent", "error.message" => "error message"
  }.map { |name, field| [name, *name.split(".", 2), field] }
  # The keys that a record with a name of ECS has one of.
  @ecs_keys = @ecs.flat_map { |name, head, *_| [[name, true], [head, true]] }.to_h
  # No key of a document but those of emit and ours; the way to write each is made once.
  @references = [*@kinds.keys, *%w[host service event data_stream error extra tags]]
    .to_h { |name| [name, "[#{name}]".freeze] }
  @second = ["", 0] # the last one that was read, as text and as seconds since 1970
  @months = %w[jan feb mar apr may jun jul aug sep oct nov dec]
  @severe = %w[ERROR CRITICAL]
  @failed = %w[failed failure error timeout]
  @categories = {
    "access" => ["web"], "auth" => ["authentication"], "database" => ["database"],
    "slow_queries" => ["database"], "worker" => ["process"], "workflows" => ["process"]
  }
end

def filter(event)
  tags = []
  others = brought(event)
  raw = text_of(event, tags)
  line = raw.delete_prefix("\uFEFF").chomp("\r")
  unless /[^\0\s]/.match?(line)
    return [] if others.empty?

    # An event of fields alone, as another beat sends them.
    raw, line = JSON.generate(others, allow_nan: true), "{}"
  end

  if line.bytesize > @longest_line
    tags << "truncated"
    line = line.byteslice(0, @longest_line).scrub("")
  else
    record = parsed(line, tags)
  end
  fields, extra, time = record ? sorted(record, tags) : [{ "message" => line }, {}, nil]
  extra = others.merge(extra)
  lighten(extra, others.empty? ? line : event.to_json, tags)
  put(event, raw, fields, extra, time, tags)
  [event]
end

# The text of a line. Port 5000 hands over its bytes, one character each (charset ISO-8859-1), so
# that a byte that is no UTF-8 costs that byte only.
def text_of(event, tags)
  message = event.get("message")
  message = JSON.generate(message, allow_nan: true) unless message.nil? || message.is_a?(String)
  message = message.to_s
  return message unless event.get("[@metadata][input][tcp]")

  text = message.encode(Encoding::ISO_8859_1).force_encoding(Encoding::UTF_8)
  return text if text.valid_encoding?

  tags << "invalid_utf8"
  text.scrub("\uFFFD")
end

# The record of a line, or nil and the reason in `tags`.
def parsed(line, tags)
  line = whole(line, tags) if line.include?("\\u") && line.start_with?("{") && /\\u[dD][89a-fA-F]/.match?(line)
  value = JSON.parse(line, **@strict)
  return value if value.is_a?(Hash)

  tags << (foreign_to_json?(line) ? "not_json" : "not_an_object")
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
  JSON.parse(line, max_nesting: 20, create_additions: false, allow_duplicate_key: true, allow_nan: true)
  true
rescue JSON::ParserError, EncodingError
  false
end

# Whether a line that is no object is none of JSON either: NaN is taken inside of objects only.
def foreign_to_json?(line)
  !finite?(JSON.parse(line, max_nesting: 20))
rescue JSON::ParserError, EncodingError
  true
end

def finite?(value)
  case value
  when Array then value.all? { |item| finite?(item) }
  when Hash then value.each_value.all? { |item| finite?(item) }
  when Float then value.finite?
  else true
  end
end

# A line with U+FFFD for each escape of half a surrogate pair, which the parser refuses.
def whole(line, tags)
  mended = line.gsub(/\\(?:u[dD][89abAB]\h\h\\u[dD][c-fC-F]\h\h|u[dD][89a-fA-F]\h\h|.)/m) do |escape|
    /\A\\u[dD]\h\h\h\z/.match?(escape) ? "\\ufffd" : escape
  end
  tags << "invalid_utf8" unless mended == line || tags.include?("invalid_utf8")
  mended
end

# Fields of known name and type, everything else, and the time in epoch milliseconds or nil.
def sorted(record, tags)
  extra = {}
  record = record.to_h.dup if record.instance_of?(ForeignKeys)
  time = take_time(record, extra)
  tags << "no_timestamp" if time.nil?
  fields = record.each_key.any? { |key| @ecs_keys[key] } ? take_ecs(record, extra) : {}
  record.each do |key, value|
    next if value.nil?

    kind = @kinds[key]
    kind = nil if kind && fields.key?(key)
    fitting = kind ? fitting(kind, value) : nil
    if !fitting.nil?
      fields[key] = fitting
    elsif kind
      tags << "moved"
    end
    extra[key] = indexable(value) if fitting.nil? || changed?(fitting, value)
  end
  level = fields.key?("level") ? nil : level_elsewhere(record)
  fields["level"] = level if level
  [fields, extra, time]
end

# The value as one that a field of this kind can have; nil if it is none.
def fitting(kind, value)
  case kind
  when :text then text(value)
  when :string then value.is_a?(String) ? value : nil
  when :level then level(value)
  when :integer then integer(value)
  when :float then float(value)
  else value.is_a?(Integer) && int64?(value) ? value : nil
  end
end

def level(value)
  return value if value.is_a?(String) && @levels[value] == value

  value = value.to_i if value.is_a?(Float) && value.finite? && value == value.floor
  written = text(value)
  return written if written.nil? || written.empty?

  name = stripped(written).upcase
  found = @levels[name]
  found ||= @numbered[name[0].to_i - 1] if /\A[1-6][0-9]\z/.match?(name)
  found ||= name
  found.empty? ? nil : found
end

def integer(value)
  value = stripped(value).to_i if value.is_a?(String) && /\A[+-]?[0-9]{1,19}\z/.match?(stripped(value))
  value = value.to_i if value.is_a?(Float) && value.finite? && value == value.floor && value.abs < 2**53
  value if value.is_a?(Integer) && int64?(value)
end

def float(value)
  if value.is_a?(String) && /\A[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?\z/.match?(stripped(value))
    value = stripped(value).to_f
  end
  value if value.is_a?(Numeric) && finite?(value) && value.between?(-1e308, 1e308)
end

# A text, or a number or boolean as every JSON writer spells it.
def text(value)
  case value
  when String then value
  when true, false, Integer then value.to_s
  when Float then value.to_s if value.zero? || (value.abs >= 1e-4 && value.abs < 1e16)
  end
end

def stripped(text)
  text.gsub(/\A[ \t\r\n]+|[ \t\r\n]+\z/, "")
end

def int64?(value)
  value.between?(-2**63, 2**63 - 1)
end

# 404 is not "404", nor 404.0.
def changed?(known, value)
  known.class != value.class || known != value
end

# The fields that a record has under names of ECS, by our names; they are taken out of it.
def take_ecs(record, extra)
  fields = {}
  @ecs.each do |name, head, rest, field|
    next unless record.key?(name) || record[head].is_a?(Hash)
    next unless !fields.key?(field) && (record[field].nil? || record[field].is_a?(Hash))

    value = record.key?(name) ? record[name] : inside(record[head], rest)
    known = value.nil? ? nil : fitting(@kinds.fetch(field, :text), value)
    next if known.nil?

    record = remove(record, name)
    fields[field] = known
    extra[name] = value if changed?(known, value)
  end
  fields
end

def inside(value, path)
  path.split(".").each { |key| value = value.is_a?(Hash) ? value[key] : nil }
  value
end

# Without a key, or one in objects and those that it leaves empty.
def remove(record, name)
  return record.tap { record.delete(name) } if record.key?(name)

  head, rest = name.split(".", 2)
  remove(record[head], rest)
  record.delete(head) if record[head].empty?
  record
end

# The level that another key of the record names.
def level_elsewhere(record)
  @level_keys.each do |key|
    value = record[key]
    level = value.is_a?(String) ? @levels[stripped(value).upcase] : nil
    return level if level
  end
  nil
end

def take_time(record, extra)
  @time_keys.each do |key|
    written = record[key]
    next if written.nil?

    time = usual(written)
    return time.tap { record.delete(key) } if time

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

# A time in the form in which all are stored, in epoch milliseconds; nil for any other. A second is
# looked at once, as many records have the same; the pair is replaced whole, as by any thread.
def usual(text)
  return nil unless text.is_a?(String) && /\A(?:19[7-9]|20\d|21\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/.match?(text)

  known, seconds = @second
  second = text[0, 19]
  if known != second
    found = from_text(text)
    return nil if found.nil?

    seconds = found / 1000
    @second = [second, seconds]
  end
  seconds * 1000 + text[20, 3].to_i
end

# A time of the years 1970 to 2199 in epoch milliseconds; nil for anything else.
def milliseconds(value)
  time =
    case value
    when String then from_text(stripped(value))
    when Numeric then from_number(value)
    end
  time if time && time >= 0 && time < 7_258_118_400_000
end

# Seconds, milliseconds, microseconds or nanoseconds since 1970; a small one is a duration that has
# the name of a time.
def from_number(value)
  case value
  when 1e9...1e11 then (value * 1000 + 0.01).to_i
  when 1e12...1e14 then value.to_i
  when 1e15...1e17 then value.to_i / 1000
  when 1e18...1e20 then value.to_i / 1_000_000
  end
end

def from_text(text)
  if /\A[0-9]{9,20}(\.[0-9]{1,9})?\z/.match?(text)
    return from_number(text.include?(".") ? text.to_f : text.to_i)
  end

  text = named(text) || text.sub(%r{\A([0-9]{4})/([0-9]{2})/([0-9]{2})(?=[ T])}, '\1-\2-\3')
  text = text.sub(/ (?:([+-][0-9]{2}:?[0-9]{2})(?: UTC| GMT)?|UTC|GMT|Z)\z|(?:UTC|GMT)\z/) { $1 || "Z" }
  found = /\A(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?
           (Z|[+-]\d\d:?\d\d)?\z/x.match(text)
  return nil if found.nil? || (found[8] && found[4].nil?)

  year, month, day, hour, minute, second = (1..6).map { |group| found[group].to_i }
  return nil unless Date.valid_date?(year, month, day) && hour < 24 && minute < 60 && second < 60

  micros = found[7].to_s[0, 6].ljust(6, "0").to_i
  zone = offset(found[8])
  zone && (Time.utc(year, month, day, hour, minute, second).to_i - zone) * 1000 + (micros + 500) / 1000
end

# A time of access logs or of HTTP as one of ISO 8601.
def named(text)
  found = %r{\A(?:[A-Z][a-z]{2},[ ])?([0-9]{1,2})[ /-]([A-Za-z]{3})[ /-]([0-9]{4})[ :]
             ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?)([ ]?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)\z}x.match(text)
  month = found && @months.index(found[2].downcase)
  month && format("%s-%02d-%02dT%s%s", found[3], month + 1, found[1].to_i, found[4], found[5])
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
  when Integer then int64?(value) ? value : value.to_s
  when Float then value.finite? ? value : value.to_s
  else value
  end
end

# Makes a text of JSON of each object or list that would be an index of many times what was written.
# Most lines are too short for that, however long the paths in them are.
def lighten(extra, written, tags)
  size = written.bytesize
  left = 16 * 1024 + 12 * size
  return if (written.count(",") + 1) * (size + 32) <= left

  extra.each do |key, value|
    next unless nested?(value)

    now = left_of(value, key.length, left)
    if now.negative?
      extra[key] = JSON.generate(value, allow_nan: true, max_nesting: 0)
      tags << "unindexed"
    else
      left = now
    end
  end
end

# What is left of a weight without that of a value, which is its path and 32 for each value in it;
# negative if nothing is.
def left_of(value, path, left)
  left -= value.size * (path + 32)
  return left if left.negative?

  if value.is_a?(Hash)
    value.each { |key, item| left = left_of(item, path + 1 + key.length, left) if nested?(item) }
  else
    value.each { |item| left = left_of(item, path, left) if nested?(item) }
  end
  left
end

def nested?(value)
  value.is_a?(Hash) || value.is_a?(Array)
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
  message = fields.delete("error message")
  origin = origin_of(fields, extra)
  dataset, categories, error = classified(fields)
  from = sender(event)
  document = fields.merge(
    "host" => { "name" => from },
    "service" => @service.dup,
    "event" => { "dataset" => dataset, "kind" => "event", "created" => arrived },
    "data_stream" => { "type" => "logs", "dataset" => dataset, "namespace" => @namespace }
  )
  document["event"]["category"] = categories unless categories.empty?
  document["error"] = { "category" => error, "message" => message }.compact if error || message
  document["extra"] = extra unless extra.empty?
  document["tags"] = tags.uniq unless tags.empty?

  event.set("[@metadata][origin]", origin) if origin
  event.set("[@metadata][identity]", [raw, from, *place(event, time ? "" : arrived)].join("\n"))
  # Nothing is removed before everything is set: should that fail, the line is still there.
  before = event.to_hash.keys - %w[@timestamp @version]
  document.each { |key, value| event.set(@references[key], value) }
  before.each { |key| event.remove("[#{key}]") unless document.key?(key) }
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
