# The second and last form of a record that was refused, as shipper/deliver/wrap.py makes it: the
# whole document as text in `message`, the reason in `error`, the tag `rejected`, and of the rest
# only what has a known type.

def register(params)
  @namespace = params.fetch("namespace")
  @objects = %w[host service event data_stream log]
  @texts = %w[level logger]
  @longest_reason = 1000 # characters
end

def filter(event)
  event.remove("@version")
  whole = event.to_json
  document = event.to_hash
  # What has no origin did not come as far as to get fields of known types.
  kept = event.get("[@metadata][origin]") ? document.select { |key, value| known?(key, value) } : {}
  dropped = document.keys - kept.keys - ["@timestamp"]
  dropped.each { |key| event.remove("[#{key}]") }

  event.set("message", whole)
  event.set("tags", ["rejected"])
  event.set("error_type", "rejected") # `error.type` is an alias of it, which cannot be written to
  event.set("error", { "message" => reason(event) })
  name = event.get("[data_stream][dataset]")
  unless name.is_a?(String) && event.get("[data_stream][namespace]").is_a?(String)
    stream = { "type" => "logs", "dataset" => "orchestrator.app", "namespace" => @namespace }
    event.set("data_stream", stream)
  end
  [event]
end

def known?(key, value)
  (@objects.include?(key) && value.is_a?(Hash)) || (@texts.include?(key) && value.is_a?(String))
end

# What Elasticsearch said; Logstash puts the whole event before it.
def reason(event)
  told = event.get("[@metadata][dead_letter_queue][reason]").to_s
  answer = told.rindex("response: ")
  (answer ? told[answer..] : told)[0, @longest_reason]
end
