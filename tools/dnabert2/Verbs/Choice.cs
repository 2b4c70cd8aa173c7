using System.CommandLine;

namespace Dnabert2.Tool.Verbs;

/// <summary>An option that takes one of a few words.</summary>
internal sealed class Choice<T>
{
    private readonly (string Word, T Value)[] _values;

    /// <param name="name">The option.</param>
    /// <param name="description">What it decides.</param>
    /// <param name="values">The words and what they stand for; the first one is the default.</param>
    public Choice(string name, string description, params (string Word, T Value)[] values)
    {
        _values = values;
        string[] words = [.. values.Select(v => v.Word)];
        Option = new Option<string>(name)
        {
            Description = description,
            HelpName = string.Join('|', words),
            DefaultValueFactory = _ => words[0],
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (!words.Contains(word))
                    result.AddError(
                        $"{name} {word}: expected {string.Join(", ", words[..^1])}{(words.Length > 1 ? " or " : "")}{words[^1]}");
                return word;
            },
        };
        Option.CompletionSources.Add(words);
    }

    public Option<string> Option { get; }

    /// <summary>What was chosen.</summary>
    public T Of(ParseResult parsed)
    {
        string word = parsed.GetRequiredValue(Option);
        return Array.Find(_values, v => v.Word == word).Value;
    }
}
