using System.Text.Json;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public sealed class LetterVocabularyTests
{
    [Fact]
    public void The_vocabulary_is_that_of_the_reference()
    {
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/baselines/tokenizer_cases.json")));
        JsonElement cnn = cases.RootElement.GetProperty("cnn");
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(Texts(cnn.GetProperty("example_training_sequences")));
        Assert.Equal(Texts(cnn.GetProperty("vocabulary")), vocabulary.Tokens);
        foreach (JsonProperty encoded in cnn.GetProperty("encode").EnumerateObject())
            Assert.Equal(encoded.Value.EnumerateArray().Select(e => e.GetInt32()), vocabulary.Encode(encoded.Name));

        static string[] Texts(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];
    }

    [Fact]
    public void Sequences_of_one_length_have_no_padding()
    {
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(["GATTA", "ACGTN"]);
        Assert.Equal(["<unk>", "<bos>", "G", "A", "T", "<eos>", "C", "N"], vocabulary.Tokens);
        Assert.Null(vocabulary.PaddingId);
        Assert.Equal(7, vocabulary.InputLength);
        Assert.Equal([1, 3, 0, 5], vocabulary.Encode("Aé"));
    }

    [Fact]
    public void Sequences_of_several_lengths_are_padded_to_one_more_than_the_longest()
    {
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(["GA", "T", ""]);
        Assert.Equal(["<unk>", "<bos>", "G", "A", "<eos>", "T", "<pad>"], vocabulary.Tokens);
        Assert.Equal(5, vocabulary.InputLength);
        Assert.Equal([1, 5, 4, 6, 6], vocabulary.Encode("T"));
        Assert.Equal([1, 2, 3, 4, 6], vocabulary.Encode("GA"));
        Assert.Throws<ArgumentException>(() => vocabulary.Encode("GATT"));
    }

    [Fact]
    public void A_vocabulary_of_nothing_is_refused() => Assert.Throws<ArgumentException>(() => LetterVocabulary.FromSequences([]));
}
