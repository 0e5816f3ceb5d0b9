# Runs a script of logstash/scripts over events, outside of Logstash.
#
# Reads one JSON object: {"script": path, "params": {…}, "events": [{"fields": {…}, "metadata": {…}}]}.
# Writes a JSON list with the events that came out: {"fields": {…}, "metadata": {…}}, or null.
#
# Event and Timestamp stand in for those of Logstash and do what its documentation says of the few
# methods that the scripts use.

require "json"
require "time"

module LogStash
  class Timestamp
    def initialize(text)
      @time = Time.iso8601(text)
    end

    # As Logstash writes it: milliseconds, or as many digits as it has.
    def to_s
      digits = @time.nsec % 1_000_000 == 0 ? 3 : 9
      @time.utc.strftime("%Y-%m-%dT%H:%M:%S.%#{digits}NZ")
    end

    def to_json(*rest)
      to_s.to_json(*rest)
    end
  end

  class Event
    def initialize(fields, metadata)
      @fields = { "@version" => "1" }.merge(fields)
      @fields["@timestamp"] = Timestamp.new(@fields.fetch("@timestamp"))
      @metadata = metadata
    end

    def to_hash
      JSON.parse(JSON.generate(@fields)).merge("@timestamp" => @fields["@timestamp"])
    end

    def to_json(*_rest)
      JSON.generate(@fields)
    end

    def metadata
      @metadata
    end

    def get(reference)
      path(reference).reduce(root(reference)) { |found, key| found.is_a?(Hash) ? found[key] : nil }
    end

    def set(reference, value)
      *above, last = path(reference)
      above.reduce(root(reference)) { |found, key| found[key] ||= {} }[last] = value
    end

    def remove(reference)
      *above, last = path(reference)
      found = above.reduce(root(reference)) { |here, key| here.is_a?(Hash) ? here[key] : nil }
      found.delete(last) if found.is_a?(Hash)
    end

    private

    def root(reference)
      reference.start_with?("[@metadata]") ? @metadata : @fields
    end

    def path(reference)
      return [reference] unless reference.start_with?("[")

      keys = reference[1..-2].split("][")
      keys.first == "@metadata" ? keys[1..] : keys
    end
  end
end

work = JSON.parse($stdin.read)
script = Object.new
script.instance_eval(File.read(work.fetch("script"), encoding: "UTF-8"), work.fetch("script"))
script.register(work.fetch("params"))
answers = work.fetch("events").map do |given|
  event = LogStash::Event.new(given.fetch("fields"), given.fetch("metadata"))
  kept = script.filter(event)
  kept.first && { "fields" => kept.first.to_hash, "metadata" => kept.first.metadata }
end
puts JSON.generate(answers)
