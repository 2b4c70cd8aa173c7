namespace Dnabert2.Sequences;

/// <summary>Finds the names that someone may have meant.</summary>
internal static class NearNames
{
    private const int MostCompared = 10_000, MostShown = 3, Longest = 64;

    /// <summary>Names that differ in case, in a version behind a dot, or in one or two letters; the nearest first.</summary>
    public static string[] Of(string name, IReadOnlyList<string> names) =>
        [.. names.Take(MostCompared).Select(other => (other, Distance: Distance(name, other)))
            .Where(pair => pair.Distance <= (name.Length < 4 ? 1 : 2)).OrderBy(pair => pair.Distance).Take(MostShown)
            .Select(pair => pair.other)];

    private static int Distance(string name, string other)
    {
        if (string.Equals(name, other, StringComparison.OrdinalIgnoreCase)) return 0;
        if (string.Equals(Unversioned(name), Unversioned(other), StringComparison.OrdinalIgnoreCase)) return 1;
        bool isFar = name.Length > Longest || other.Length > Longest || Math.Abs(name.Length - other.Length) > 2;
        return isFar ? int.MaxValue : Edits(name, other);
    }

    /// <summary>NC_000001 of NC_000001.11.</summary>
    private static string Unversioned(string name)
    {
        int dot = name.LastIndexOf('.');
        return dot > 0 && dot < name.Length - 1 && !name.AsSpan(dot + 1).ContainsAnyExceptInRange('0', '9') ? name[..dot] : name;
    }

    /// <summary>Letters to insert, to remove or to change (Levenshtein).</summary>
    private static int Edits(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
