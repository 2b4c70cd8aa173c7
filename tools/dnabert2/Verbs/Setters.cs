using System.CommandLine;

namespace Dnabert2.Tool.Verbs;

/// <summary>Options that set values of a record; those that are not given leave what is there.</summary>
internal sealed class Setters<TRecord>
{
    private readonly List<(Option Option, Func<ParseResult, TRecord, TRecord> Apply)> _all = [];

    public IEnumerable<Option> Options => _all.Select(o => o.Option);

    public void Add<T>(string name, string description, Func<TRecord, T, TRecord> set)
        where T : struct
    {
        string? value = typeof(T) == typeof(bool) ? null : typeof(T).IsEnum ? "WORD" : "N";
        var option = new Option<T?>(name) { Description = description, HelpName = value };
        _all.Add((option, (parsed, record) => parsed.GetValue(option) is { } given ? set(record, given) : record));
    }

    public bool AnyIn(ParseResult parsed) => _all.Any(o => parsed.GetResult(o.Option) is not null);

    public TRecord Apply(ParseResult parsed, TRecord record) => _all.Aggregate(record, (r, o) => o.Apply(parsed, r));
}
