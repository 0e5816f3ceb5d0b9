# The second and last form of a record that was refused, as shipper/deliver/wrap.py makes it: the
# whole document as text in `message`, the reason in `error`, the tag `rejected`, and of the rest
# only what has a known type.

require "date"

def register(params)
  @namespace = params.fetch("namespace")
  @objects = { "host" => %w[name], "service" => %w[name environment version],
               "event" => %w[dataset kind category created], "log" => %w[file offset stream] }
  @texts = %w[level logger]
  @longest_reason = 1000 # characters
end

def filter(event)
  event.remove("@version")
  whole = event.to_json
  document = event.to_hash
  # What has no origin did not come as far as to get fields of known types.
  kept = event.get("[@metadata][origin]") ? known(document) : {}
  name, namespace = event.get("[data_stream][dataset]"), event.get("[data_stream][namespace]")
  (document.keys - ["@timestamp"]).each { |key| event.remove("[#{key}]") }
  kept.each { |key, value| event.set("[#{key}]", value) }

  event.set("message", whole)
  event.set("tags", ["rejected"])
  event.set("error_type", "rejected") # `error.type` is an alias of it, which cannot be written to
  event.set("error", { "message" => reason(event) })
  named = name.is_a?(String) && namespace.is_a?(String)
  name, namespace = "orchestrator.app", @namespace unless named
  event.set("data_stream", { "type" => "logs", "dataset" => name, "namespace" => namespace })
  [event]
end

# The fields of a document that have the type that ours have: it may have been refused for any other.
def known(document)
  objects = @objects.to_h do |key, names|
    value = document[key].is_a?(Hash) ? document[key] : {}
    [key, value.select { |name, item| names.include?(name) && fits?(name, item) }]
  end
  texts = document.select { |key, value| @texts.include?(key) && value.is_a?(String) }
  objects.reject { |_, value| value.empty? }.merge(texts)
end

def fits?(name, value)
  case name
  when "file" then value.is_a?(Hash) && value.keys == ["path"] && value["path"].is_a?(String)
  when "offset" then value.is_a?(Integer) && value.between?(0, 2**63 - 1)
  when "category" then value.is_a?(Array) && value.all?(String)
  when "created" then value.is_a?(String) && time?(value)
  else value.is_a?(String)
  end
end

def time?(text)
  /\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\z/.match?(text) && !DateTime.iso8601(text).nil?
rescue Date::Error
  false
end

# What Elasticsearch said; Logstash puts the whole event before it.
def reason(event)
  told = event.get("[@metadata][dead_letter_queue][reason]").to_s
  answer = told.rindex("response: ")
  (answer ? told[answer..] : told)[0, @longest_reason]
end
