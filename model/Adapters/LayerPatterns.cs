using System.Diagnostics;
using System.Text.RegularExpressions;
using Dnabert2.Data;

namespace Dnabert2.Adapters;

/// <summary>
/// The values that PEFT's <c>rank_pattern</c> or <c>alpha_pattern</c> gives to layers, by their names, the ends of these, or expressions
/// for either: <c>re.match(rf"(.*\.)?({key})$", layer)</c>, of which the first one counts. An expression may be of any kind, so that
/// matching has a limit of time; one is in memory at a time, since some grow with what they are matched with.
/// </summary>
internal sealed class LayerPatterns<T>
{
    private const int MostEntries = 1024, LongestKey = 256;

    /// <summary>What patterns of models' layers take milliseconds of.</summary>
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(5);

    private readonly List<(string Key, T Value)> _entries = [];
    private readonly Dictionary<string, T> _values = new(StringComparer.Ordinal);
    private readonly string _place;

    private LayerPatterns(string place) => _place = place;

    /// <summary>The entries.</summary>
    public int Count => _entries.Count;

    /// <summary>Reads the entries of a key; none where it is absent.</summary>
    /// <param name="path">The file.</param>
    /// <param name="json">Its outermost object.</param>
    /// <param name="name">The key.</param>
    /// <param name="value">Reads the value of an entry.</param>
    /// <exception cref="InvalidDataException">They are too many, or one is no expression.</exception>
    public static LayerPatterns<T> Read(string path, JsonFields json, string name, Func<JsonFields, string, T> value)
    {
        var patterns = new LayerPatterns<T>($"{path}: {name}");
        if (!json.Has(name)) return patterns;
        JsonFields fields = json.Object(name);
        if (fields.Count > MostEntries) throw json.Fault(name, $"has {fields.Count} entries; at most {MostEntries} are read");
        var clock = Stopwatch.StartNew();
        foreach (string key in fields.Keys)
        {
            // A count of a count grows without bound before anything is matched.
            if (key.Length > LongestKey || key.Contains("){", StringComparison.Ordinal) || key.Contains("}{", StringComparison.Ordinal))
                throw fields.Fault(key, $"is longer than {LongestKey} characters, or repeats a group by a number");
            try
            {
                Expression(key);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                throw fields.Fault(key, $"is no regular expression that is understood ({e.Message})");
            }

            patterns._entries.Add((key, value(fields, key)));
            patterns.CheckTime(clock, MostTime);
        }

        return patterns;
    }

    /// <summary>Finds the values of layers.</summary>
    /// <param name="layers">Their names.</param>
    /// <param name="most">The time that it may take; null: what is more than enough.</param>
    /// <exception cref="InvalidDataException">It takes longer.</exception>
    public void Resolve(IReadOnlyCollection<string> layers, TimeSpan? most = null)
    {
        var clock = Stopwatch.StartNew();
        foreach ((string key, T value) in _entries)
        {
            Regex expression = Expression(key);
            foreach (string layer in layers)
            {
                if (!_values.ContainsKey(layer) && expression.IsMatch(layer)) _values.Add(layer, value);
                CheckTime(clock, most ?? MostTime);
            }
        }
    }

    /// <summary>The value of a layer, or the one of layers that no entry is for.</summary>
    public T Of(string layer, T others) => _values.TryGetValue(layer, out T? value) ? value : others;

    private void CheckTime(Stopwatch clock, TimeSpan most)
    {
        if (clock.Elapsed > most)
            throw new InvalidDataException(
                $"{_place}: its expressions take more than {most.TotalSeconds} seconds to match; " +
                "give the names of the layers, or their ends, in place of expressions");
    }

    private static Regex Expression(string key) =>
        new($@"^(?:.*\.)?(?:{key})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
}
