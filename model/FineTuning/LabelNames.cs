using System.Collections;
using System.Globalization;

namespace Dnabert2.FineTuning;

/// <summary>
/// The names of a task's classes; a class's id is its place. Where all names are whole numbers they are in numerical order, so that the
/// labels 0, 1, …, n − 1 are their own ids; otherwise in the order of their characters.
/// </summary>
public sealed class LabelNames : IReadOnlyList<string>
{
    private readonly string[] _names;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    /// <summary>Names in the order of their ids, as a fine-tuned model's <c>id2label</c> gives them.</summary>
    /// <exception cref="ArgumentException">A name is empty or there twice.</exception>
    public LabelNames(IEnumerable<string> names)
    {
        _names = [.. names];
        for (int i = 0; i < _names.Length; i++)
            if (string.IsNullOrWhiteSpace(_names[i]) || !_ids.TryAdd(_names[i], i))
                throw new ArgumentException($"label {i} is named '{Excerpt.Of(_names[i])}': a name is not empty and stands for one label");
    }

    /// <summary>The number of classes.</summary>
    public int Count => _names.Length;

    /// <summary>The name of a class.</summary>
    public string this[int id] => _names[id];

    /// <summary>The names that Hugging Face gives to classes without names: <c>LABEL_0</c>, <c>LABEL_1</c>, …</summary>
    internal static LabelNames Unnamed(int count) => new(Enumerable.Range(0, count).Select(id => $"LABEL_{id}"));

    /// <summary>
    /// The names of a regression's values: <c>value_1</c>, <c>value_2</c>, …; of a single one none, since it needs none.
    /// </summary>
    internal static LabelNames OfValues(int count) => new(count == 1 ? [] : Enumerable.Range(1, count).Select(i => $"value_{i}"));

    /// <summary>The names of a regression's values, for a table: <c>value</c> where there is one without a name.</summary>
    internal IReadOnlyList<string> OrValue => Count == 0 ? ["value"] : this;

    /// <summary>Whether these classes are those, by their names or, where either side has none, by their ids.</summary>
    internal bool AreThoseOf(LabelNames other) =>
        Count == other.Count && (_names.SequenceEqual(other._names) || Enumerable.Range(0, Count).All(
        id => (_names[id] == $"LABEL_{id}" && other._names[id] == $"{id}")
        || (_names[id] == $"{id}" && other._names[id] == $"LABEL_{id}")));

    /// <summary>The names of a data set, sorted.</summary>
    internal static LabelNames Sorted(IEnumerable<string> found)
    {
        string[] names = [.. found.Distinct(StringComparer.Ordinal)];
        if (names.All(name => long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)))
            Array.Sort(names, (a, b) => long.Parse(a, CultureInfo.InvariantCulture).CompareTo(long.Parse(b, CultureInfo.InvariantCulture)));
        else
            Array.Sort(names, StringComparer.Ordinal);
        return new LabelNames(names);
    }

    /// <summary>The form in which a label is a name: whole numbers without leading zeros or a plus sign.</summary>
    internal static string Canonical(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)
            ? number.ToString(CultureInfo.InvariantCulture) : text;

    /// <summary>The id of a name; −1 where there is no such class.</summary>
    public int IdOf(string name) => _ids.GetValueOrDefault(name, -1);

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)_names).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
