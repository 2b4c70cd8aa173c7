using System.Text;
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
        {
            int[] expected = [.. encoded.Value.EnumerateArray().Select(e => e.GetInt32())];
            Assert.Equal(expected, vocabulary.Encode(encoded.Name));
            SpecialTokenFrame frame = vocabulary.Frame(pair: false);
            List<int> ids = [.. frame.Before.Span], starts = [];
            vocabulary.EncodeSequence(Encoding.ASCII.GetBytes(encoded.Name), ids, starts);
            ids.AddRange(frame.After.Span);
            while (vocabulary.PadId is { } pad && ids.Count < vocabulary.InputLength) ids.Add(pad);
            Assert.Equal(expected, ids);
            Assert.Equal(Enumerable.Range(0, encoded.Name.Length), starts);
        }

        static string[] Texts(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];
    }

    [Fact]
    public void Sequences_of_one_length_have_no_padding()
    {
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(["GATTA", "ACGTN"]);
        Assert.Equal(["<unk>", "<bos>", "G", "A", "T", "<eos>", "C", "N"], vocabulary.Tokens);
        Assert.Null(vocabulary.PadId);
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

    [Theory]
    [InlineData(new[] { "GATTA", "ACGTN" }, "<unk>\n<bos>\nG\nA\nT\n<eos>\nC\nN\n")]
    [InlineData(new[] { "GA", "Tλ", "" }, "<unk>\n<bos>\nG\nA\n<eos>\nT\nλ\n<pad>\n")]
    public void A_vocabulary_that_is_saved_comes_back(string[] sequences, string content)
    {
        LetterVocabulary vocabulary = LetterVocabulary.FromSequences(sequences);
        using var stream = new MemoryStream();
        vocabulary.Save(stream);
        Assert.Equal(content, Encoding.UTF8.GetString(stream.ToArray()));
        LetterVocabulary read = LetterVocabulary.Parse(stream.ToArray(), "vocab.txt", vocabulary.InputLength);
        Assert.Equal(vocabulary.Tokens, read.Tokens);
        Assert.Equal((vocabulary.ClsId, vocabulary.SepId, vocabulary.PadId), (read.ClsId, read.SepId, read.PadId));
        Assert.Equal(vocabulary.Encode("GA"), read.Encode("GA"));
        byte[] ofWindows = Encoding.UTF8.GetBytes(content.Replace("\n", "\r\n", StringComparison.Ordinal));
        Assert.Equal(read.Tokens, LetterVocabulary.Parse(ofWindows, "v", 9).Tokens);
    }

    [Theory]
    [InlineData("[PAD]\n[UNK]\n", 9, "line 1 is '[PAD]': expected <unk>")]
    [InlineData("<unk>\nA\n", 9, "line 2 is 'A': expected <bos>")]
    [InlineData("<unk>\n<bos>\nA\nAC\n<eos>\n", 9, "line 4 is 'AC': expected a letter")]
    [InlineData("<unk>\n<bos>\nA\n\n<eos>\n", 9, "line 4 is '': expected a letter")]
    [InlineData("<unk>\n<bos>\nA\nA\n<eos>\n", 9, "line 4 is 'A': it is on an earlier line already")]
    [InlineData("<unk>\n<bos>\nA\n<pad>\n<eos>\n", 9, "line 5 is '<eos>': <pad> is the last token")]
    [InlineData("<unk>\n<bos>\nA\n", 9, "has no <eos>")]
    [InlineData("<unk>\n<bos>\n<eos>\n<pad>\n", 2, "an input of 2 tokens has no room")]
    public void A_file_that_is_no_such_vocabulary_is_refused_by_its_line(string content, int length, string message)
    {
        string said = Assert.Throws<InvalidDataException>(
            () => LetterVocabulary.Parse(Encoding.UTF8.GetBytes(content), "v.txt", length)).Message;
        Assert.Contains("v.txt: " + message, said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_control_character_is_no_letter() =>
        Assert.Throws<ArgumentException>(() => LetterVocabulary.FromSequences(["AC\nGT"]));

    [Fact]
    public void A_vocabulary_of_nothing_is_refused() => Assert.Throws<ArgumentException>(() => LetterVocabulary.FromSequences([]));
}
