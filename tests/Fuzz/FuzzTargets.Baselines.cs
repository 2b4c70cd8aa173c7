using System.Text;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;

namespace Tests.Fuzz;

/// <content>Files of DNABERT's and the Nucleotide Transformer's folders.</content>
public sealed partial class FuzzTargets
{
    private FuzzTarget Vocabulary()
    {
        return new FuzzTarget("vocab.txt", [Written(new DnabertTokenizer(2)), Written(new DnabertTokenizer(1))], Mutation.OfText, input =>
        {
            DnabertTokenizer tokenizer = DnabertTokenizer.Parse(input, "v.txt");
            Assert.Equal(tokenizer.K, DnabertTokenizer.Parse(Written(tokenizer), "written").K);
            List<int> ids = [];
            tokenizer.EncodeSequence("ACGTNAC GT[MASK]A"u8, ids);
            return string.Join(',', ids.Select(tokenizer.Token));
        })
        { Named = "v.txt" };

        static byte[] Written(DnabertTokenizer tokenizer)
        {
            using var stream = new MemoryStream();
            tokenizer.Save(stream);
            return stream.ToArray();
        }
    }

    private FuzzTarget DnabertConfigs() => new(
        "config.json",
        [
            Bytes("""
                {"model_type":"bert","vocab_size":69,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,
                "max_position_embeddings":16,"type_vocab_size":2,"pad_token_id":0,"classifier_dropout":0.5,"hidden_act":"gelu",
                "position_embedding_type":"absolute","is_decoder":false,"split":10,"id2label":{"0":"a"}}
                """),
        ],
        Mutation.OfJson, input => JsonFields.Read("c.json", input, ConfigReader.Remedy, DnabertConfig.Read).ToString())
    { Named = "c.json" };

    private FuzzTarget NucleotideTransformerConfigs() => new(
        "config.json",
        [
            Bytes("""
                {"model_type":"esm","vocab_size":73,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,
                "max_position_embeddings":16,"pad_token_id":1,"mask_token_id":2,"token_dropout":true,"tie_word_embeddings":false,
                "emb_layer_norm_before":false,"is_folding_model":false,"esmfold_config":null}
                """),
            Bytes("""
                {"model_type":"esm","vocab_size":75,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,
                "max_position_embeddings":16,"pad_token_id":1,"mask_token_id":2,"token_dropout":false,"tie_word_embeddings":false,
                "emb_layer_norm_before":false,"is_folding_model":false,"add_bias_fnn":false,"position_embedding_type":"rotary"}
                """),
        ],
        Mutation.OfJson, input => JsonFields.Read("c.json", input, ConfigReader.Remedy, NucleotideTransformerConfig.Read).ToString())
    { Named = "c.json" };

    private FuzzTarget Architectures()
    {
        string folder = _folder["architecture"], path = Path.Combine(folder, "config.json");
        Directory.CreateDirectory(folder);
        return new FuzzTarget(
            "config.json",
            [
                Bytes("""{"model_type":"bert","architectures":["BertForMaskedLM"],"auto_map":{"AutoModel":"dnabert_layer.BertModel"}}"""),
                Bytes("""{"architectures":["EsmForMaskedLM"],"auto_map":{"AutoModel":["x.Y",null]}}"""),
            ],
            Mutation.OfJson, input =>
            {
                Replace(path, input);
                return Dnabert2.Folders.Architecture.Of(path).Name;
            })
        { Named = path };
    }
}
